-- Reading the journal by place. A plan over all partitions would lock them all: what reads here goes to the partitions
-- that it needs, one after the other.

-- Every place up to here is taken or left out for ever: what comes later has a higher one.
CREATE OR REPLACE FUNCTION journal_tip() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(((max(batch) + 1) << 20) - 1, 0) FROM writers WHERE writer >= 0
$$;

-- The rows at these places.
CREATE OR REPLACE FUNCTION journal_at(places_ bigint[]) RETURNS SETOF journal LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE p bigint;
BEGIN
  FOR p IN SELECT DISTINCT s >> 44 FROM unnest(places_) s JOIN journal_partitions j ON j.number = s >> 44 LOOP
    RETURN QUERY EXECUTE format('SELECT * FROM %I WHERE seq = ANY ($1)', 'journal_' || p) USING (SELECT array_agg(s) FROM unnest(places_) s WHERE s >> 44 = p);
  END LOOP;
END $$;

-- Where the first rows of these transactions are, those that exist. A derived id is looked up; any other was drawn when
-- its transaction was accepted, which says in which partitions it can be.
CREATE OR REPLACE FUNCTION journal_places(ids_ uuid[]) RETURNS TABLE (id uuid, seq bigint) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE p bigint; drawn uuid[]; first_ timestamptz; last_ timestamptz;
BEGIN
  SELECT array_agg(t.i), min(t.at) - interval '1 minute', max(t.at) + interval '1 minute' INTO drawn, first_, last_
    FROM (SELECT i, to_timestamp(('x' || substr(i::text, 1, 8) || substr(i::text, 10, 4))::bit(48)::bigint / 1000.0) AS at FROM unnest(ids_) i WHERE substr(i::text, 15, 1) <> '8') t;
  IF cardinality(drawn) IS DISTINCT FROM cardinality(ids_) THEN
    RETURN QUERY SELECT d.id, d.seq FROM derived d WHERE d.id = ANY (ids_);
  END IF;
  IF drawn IS NULL THEN RETURN; END IF;
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL AND (first_at IS NULL OR (first_at <= last_ AND last_at >= first_)) ORDER BY number DESC LOOP
    RETURN QUERY EXECUTE format('SELECT j.id, j.seq FROM %I j WHERE j.id = ANY ($1) AND j.n = 0', 'journal_' || p) USING drawn;
  END LOOP;
END $$;

-- All rows of the transactions whose first rows are at these places.
CREATE OR REPLACE FUNCTION journal_transactions(places_ bigint[]) RETURNS SETOF journal LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE p bigint;
BEGIN
  FOR p IN SELECT DISTINCT s >> 44 FROM unnest(places_) s JOIN journal_partitions j ON j.number = s >> 44 LOOP
    RETURN QUERY EXECUTE format('SELECT r.* FROM unnest($1) s, LATERAL (SELECT h.seq, h.postings, h.n FROM %1$I h WHERE h.seq = s OFFSET 0) h, '
      'LATERAL (SELECT * FROM %1$I r WHERE r.seq >= h.seq AND r.seq < h.seq + greatest(h.postings, 1) OFFSET 0) r WHERE h.n = 0', 'journal_' || p)
      USING (SELECT array_agg(s) FROM unnest(places_) s WHERE s >> 44 = p);
  END LOOP;
END $$;

-- The rows behind a place and up to another, in order, up to limit_; with only_events_ those of transactions that have
-- an event.
CREATE OR REPLACE FUNCTION journal_after(after_ bigint, upto_ bigint, only_events_ boolean, limit_ bigint) RETURNS SETOF journal LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE p bigint; got bigint; left_ bigint := limit_;
BEGIN
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL AND number >= greatest(after_, 0) >> 44 AND number <= upto_ >> 44 AND (number > 0 OR NOT only_events_) ORDER BY number LOOP
    RETURN QUERY EXECUTE format('SELECT * FROM %I WHERE seq > $1 AND seq <= $2 %s ORDER BY seq LIMIT $3', 'journal_' || p, CASE WHEN only_events_ THEN 'AND event IS NOT NULL' END)
      USING after_, upto_, left_;
    GET DIAGNOSTICS got = ROW_COUNT;
    left_ := left_ - got;
    EXIT WHEN left_ <= 0;
  END LOOP;
END $$;

-- A tenant's transactions below a place, newest first, up to limit_: where their first rows are. With a time, those
-- accepted in it; partition 0, which is in no order of time, is looked through whatever downto_ says. With a reference,
-- those that have it, by their index. Else rows are looked at, the tenant's own by their
-- index (those of the default tenant have none, to cost a ledger with one tenant nothing: of it, whosever they are),
-- looks_ of a partition at most: if there are more, the last row of the answer has no status, and says below which
-- place to go on.
CREATE OR REPLACE FUNCTION journal_before(
  below_ bigint, downto_ bigint, tenant_ text, reference_ text, from_ timestamptz, to_ timestamptz, looks_ bigint, limit_ bigint
) RETURNS TABLE (seq bigint, status smallint, created_at timestamptz) LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE p bigint; wanted text; found_ text; place bigint; status_ smallint; at_ timestamptz; left_ bigint := limit_;
BEGIN
  wanted := 'n = 0 AND status <= 2 AND kind <= 20 AND ($6 IS NULL OR created_at >= $6) AND ($7 IS NULL OR created_at < $7)';
  -- Compared as rows and sorted by all three, so that no other index gives this order.
  found_ := CASE
    WHEN reference_ IS NOT NULL THEN 'SELECT seq, status, created_at FROM %I WHERE (tenant, reference, seq) < ($3, $4, $1) AND (tenant, reference, seq) >= ($3, $4, $2) '
      'AND reference IS NOT NULL AND ' || wanted || ' ORDER BY tenant DESC, reference DESC, seq DESC LIMIT $5'
    ELSE 'SELECT seq + (nth > $8)::int, CASE WHEN nth <= $8 THEN status END, created_at FROM (SELECT *, row_number() OVER () AS nth FROM ('
      'SELECT seq, status, created_at, tenant = $3 AND ' || wanted || ' AS mine FROM %I WHERE ' ||
      CASE WHEN tenant_ <> 'default' THEN '(tenant, seq) < ($3, $1) AND (tenant, seq) >= ($3, $2) AND n = 0 AND tenant <> ''default'' ORDER BY tenant DESC, seq DESC'
        ELSE 'seq < $1 AND seq >= $2 ORDER BY seq DESC' END || ' LIMIT $8 + 1) j) j WHERE mine OR nth > $8 LIMIT $5' END;
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL AND number <= (below_ - 1) >> 44 AND (number >= greatest(downto_, 0) >> 44 OR number = 0) ORDER BY number DESC LOOP
    FOR place, status_, at_ IN EXECUTE format(found_, 'journal_' || p)
      USING below_, CASE WHEN p > 0 THEN downto_ ELSE 0 END, tenant_, reference_, left_, from_, to_, looks_
    LOOP
      seq := place;
      status := status_;
      created_at := at_;
      RETURN NEXT;
      left_ := left_ - 1;
      IF status_ IS NULL THEN RETURN; END IF;
    END LOOP;
    EXIT WHEN left_ <= 0;
  END LOOP;
END $$;

-- Where a tenant's first transaction of api 3 with this correlation is; NULL: it has none. Compared and sorted as above.
CREATE OR REPLACE FUNCTION journal_first(tenant_ text, correlation_ text) RETURNS bigint LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE p bigint; place bigint;
BEGIN
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL ORDER BY number LOOP
    EXECUTE format('SELECT seq FROM %I WHERE (tenant, correlation, seq) >= ($1, $2, 0) AND (tenant, correlation, seq) <= ($1, $2, 9223372036854775807) '
      'AND api = 3 AND n = 0 AND status <= 2 AND kind <= 20 ORDER BY tenant, correlation, seq LIMIT 1', 'journal_' || p) INTO place USING tenant_, correlation_;
    EXIT WHEN place IS NOT NULL;
  END LOOP;
  RETURN place;
END $$;

-- The newest transaction of a kind that follows this one, and took effect: where its first row is. It cannot be in an
-- older partition than what it follows.
CREATE OR REPLACE FUNCTION journal_last_following(id_ uuid, kind_ smallint) RETURNS bigint LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE p bigint; place bigint;
BEGIN
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL AND number >= (SELECT seq >> 44 FROM journal_places(ARRAY[id_])) ORDER BY number DESC LOOP
    EXECUTE format('SELECT seq FROM %I WHERE follows = $1 AND kind = $2 AND status = 1 AND n = 0 ORDER BY seq DESC LIMIT 1', 'journal_' || p) INTO place USING id_, kind_;
    EXIT WHEN place IS NOT NULL;
  END LOOP;
  RETURN place;
END $$;

-- A place below which nothing was accepted at `time_` or later, if nothing waits to be committed for longer than
-- `slack`; so what was accepted from then on lies behind it. What was accepted more than twice `slack` before then lies
-- before the end of its batch. Partition 0, which is in no order of time, is left out.
CREATE OR REPLACE FUNCTION journal_place_at(time_ timestamptz, slack interval) RETURNS bigint LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE p bigint; low bigint; high bigint; middle bigint; at_ timestamptz; place bigint;
BEGIN
  -- Rows are accepted at most `slack` before they are committed, and committed in the order of places.
  SELECT max(number) INTO p FROM journal_partitions WHERE opened_at IS NOT NULL AND number > 0 AND (number = 1 OR opened_at <= time_ - slack);
  low := p << 44;
  high := least((p + 1) << 44, journal_tip() + 1);
  WHILE high - low > 1 << 20 LOOP
    middle := low + (high - low) / 2;
    EXECUTE format('SELECT created_at, seq FROM %I WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT 1', 'journal_' || p) INTO at_, place USING middle, high;
    IF at_ IS NULL OR at_ >= time_ - slack THEN high := middle; ELSE low := place; END IF;
  END LOOP;
  RETURN low;
END $$;

-- About how many events wait behind a place: counted up to limit_, beyond that by the rows of the partitions.
CREATE OR REPLACE FUNCTION journal_waiting(position_ bigint, limit_ bigint, OUT events bigint, OUT oldest timestamptz) LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT count(*), min(j.created_at) INTO events, oldest FROM journal_after(position_, journal_tip(), true, limit_) j WHERE j.n = 0;
  IF (SELECT count(*) FROM journal_after(position_, journal_tip(), true, limit_)) < limit_ THEN RETURN; END IF;
  SELECT greatest(events, coalesce(sum(s.rows * (s.high - greatest(s.low, position_))::numeric / greatest(s.high - s.low, 1)), 0)::bigint) INTO events FROM (
    SELECT p.number << 44 AS low, coalesce((p.last_batch + 1) << 20, journal_tip() + 1) AS high, coalesce(p.rows, w.rows) AS rows
      FROM journal_partitions p CROSS JOIN (SELECT max(rows) AS rows FROM writers) w WHERE p.number > 0 AND p.opened_at IS NOT NULL) s WHERE s.high > position_;
END $$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION journal_tip, journal_at, journal_places, journal_transactions, journal_after, journal_before, journal_first, journal_last_following, journal_place_at, journal_waiting FROM PUBLIC;
