-- The publisher's and the housekeeping's functions.

-- The last outbox id drawn; 0 before the first.
CREATE FUNCTION outbox_drawn() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox_id
$$;

-- A marker for the publisher: first the last outbox id drawn, then an id of this transaction. Every id up to last_id is final
-- once a later snapshot's xmin has passed xact. Two statements, so that the order is certain.
CREATE FUNCTION outbox_marker(OUT last_id bigint, OUT xact bigint) LANGUAGE plpgsql AS $$
BEGIN
  last_id := outbox_drawn();
  xact := pg_current_xact_id()::text::bigint;
END $$;

-- The partitions that go by ranges of ids: their bounds stand in their names.
CREATE VIEW outbox_partitions AS
  SELECT c.relname AS name, split_part(c.relname, '_', 2)::bigint AS lower, split_part(c.relname, '_', 3)::bigint AS upper
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_[0-9]+_[0-9]+$';

-- Makes sure that partitions of `rows_` ids reach `ahead` of them beyond the last id drawn; answers how many it made.
-- An insert that found the default partition for its id while a new one takes that id over would fail. So what is drawn is looked at
-- under a lock that waits for every transaction that has drawn an id and keeps new ones out: a new partition has only ids that nobody has.
-- What the default partition caught meanwhile stays there.
CREATE FUNCTION outbox_grow(rows_ bigint, ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s' AS $$
DECLARE drawn bigint := outbox_drawn(); lower_ bigint; made int := 0; name_ text;
BEGIN
  SELECT coalesce(max(upper), 1) INTO lower_ FROM outbox_partitions;
  IF lower_ > drawn + rows_ * ahead THEN RETURN 0; END IF;
  LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE;
  drawn := outbox_drawn();
  SELECT greatest(coalesce(max(upper), 1), drawn + 1) INTO lower_ FROM outbox_partitions;
  WHILE lower_ <= drawn + rows_ * ahead LOOP
    name_ := 'outbox_' || lower_ || '_' || lower_ + rows_;
    EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS)', name_);
    EXECUTE format('ALTER TABLE %I ALTER body SET STORAGE EXTERNAL', name_);      -- compressing costs more than it saves
    EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name_, lower_, lower_ + rows_);
    lower_ := lower_ + rows_; made := made + 1;
  END LOOP;
  RETURN made;
END $$;

-- Drops the partitions that lie wholly at or below `position_` and whose newest event is older than `retention`; answers how many.
-- A drop locks the whole outbox for a moment: it waits for readers at most this long, and payments wait no longer behind it.
CREATE FUNCTION outbox_shrink(position_ bigint, retention interval) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '250ms' AS $$
DECLARE p record; newest timestamptz; dropped int := 0;
BEGIN
  DELETE FROM outbox_default WHERE id <= position_ AND created_at < clock_timestamp() - retention;
  FOR p IN SELECT name FROM outbox_partitions WHERE upper <= position_ + 1 ORDER BY upper LOOP
    EXECUTE format('SELECT max(created_at) FROM %I', p.name) INTO newest;
    EXIT WHEN newest > clock_timestamp() - retention;
    EXECUTE format('DROP TABLE %I', p.name);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;

-- After PostgreSQL lost data: raises the sequence to at least `to_`. If ids in (after_, to_] were given again, moves their rows and all
-- later ones behind it, in order, so that a publisher which goes on after `to_` skips nothing. Answers how many it moved. The lock waits
-- for every transaction that has drawn an id and keeps new ones out: none draws an id while the sequence is set.
CREATE FUNCTION outbox_repair(after_ bigint, to_ bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE moved bigint;
BEGIN
  LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE;
  IF to_ > outbox_drawn() THEN PERFORM setval('outbox_id', to_); END IF;
  IF NOT EXISTS (SELECT FROM outbox WHERE id > after_ AND id <= to_) THEN RETURN 0; END IF;
  WITH gone AS (DELETE FROM outbox WHERE id > after_ RETURNING id, event, aggregate, body, created_at)
  INSERT INTO outbox (event, aggregate, body, created_at) SELECT event, aggregate, body, created_at FROM gone ORDER BY id;
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END $$;
