-- The publisher's and the housekeeping's functions.

-- A marker for the publisher: first the last outbox id drawn, then an id of this transaction. Every id up to last_id is final
-- once a later snapshot's xmin has passed xact.
CREATE FUNCTION outbox_marker() RETURNS TABLE (last_id bigint, xact bigint) LANGUAGE plpgsql AS $$
DECLARE l bigint;
BEGIN
  SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO l FROM outbox_id s;
  RETURN QUERY SELECT l, pg_current_xact_id()::text::bigint;
END $$;

-- Makes sure that partitions of `rows_` ids exist from the current id on, `ahead` of them beyond it; answers how many it made.
CREATE FUNCTION outbox_grow(rows_ bigint, ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE l bigint; upper_ bigint; made int := 0;
BEGIN
  SELECT s.last_value INTO l FROM outbox_id s;
  SELECT coalesce(max(split_part(c.relname, '_', 3)::bigint), 0) INTO upper_ FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_[0-9]+_[0-9]+$';
  IF upper_ <= l THEN upper_ := l + 1 + CASE WHEN upper_ = 0 THEN 0 ELSE 1000 END; END IF;   -- behind: leave what is being drawn to the default partition
  IF upper_ = l + 1 AND l = 1 THEN upper_ := 1; END IF;
  WHILE upper_ < l + rows_ * ahead LOOP
    EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS)', 'outbox_' || upper_ || '_' || upper_ + rows_);
    EXECUTE format('ALTER TABLE %I ALTER body SET STORAGE EXTERNAL', 'outbox_' || upper_ || '_' || upper_ + rows_);
    EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', 'outbox_' || upper_ || '_' || upper_ + rows_, upper_, upper_ + rows_);
    upper_ := upper_ + rows_; made := made + 1;
  END LOOP;
  RETURN made;
END $$;

-- Drops the partitions that lie wholly at or below `position_` and whose newest event is older than `retention`; answers how many.
CREATE FUNCTION outbox_shrink(position_ bigint, retention interval) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE p record; newest timestamptz; dropped int := 0;
BEGIN
  FOR p IN SELECT c.relname, split_part(c.relname, '_', 3)::bigint AS upper_ FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_[0-9]+_[0-9]+$' ORDER BY 2 LOOP
    EXIT WHEN p.upper_ > position_ + 1;
    EXECUTE format('SELECT max(created_at) FROM %I', p.relname) INTO newest;
    EXIT WHEN newest > clock_timestamp() - retention;
    EXECUTE format('DROP TABLE %I', p.relname);
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM outbox_default WHERE id <= position_ AND created_at < clock_timestamp() - retention;
  RETURN dropped;
END $$;
