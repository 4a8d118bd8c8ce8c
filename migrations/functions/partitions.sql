-- Partitions of the journal: made ahead, never dropped; what is in them never changes.
--
-- What runs as its owner names `pg_temp` last in its search path: else a caller's temporary tables would be found before
-- the real ones, with whatever is in them run as the owner. It bounds its arguments itself.

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'FL010';
END $$;

-- Makes the partition of this number, if it is not there, with its indexes.
CREATE OR REPLACE FUNCTION journal_make(number_ bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name_ text := 'journal_' || number_; role_ regrole;
BEGIN
  IF EXISTS (SELECT FROM journal_partitions WHERE number = number_) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE journal INCLUDING CONSTRAINTS, PRIMARY KEY (seq))', name_);
  EXECUTE format('CREATE UNIQUE INDEX %I ON %I (id) WHERE n = 0', name_ || '_id', name_);
  IF number_ > 0 THEN EXECUTE format('CREATE UNIQUE INDEX %I ON %I (key) WHERE key IS NOT NULL', name_ || '_key', name_); END IF;
  EXECUTE format('CREATE INDEX %I ON %I (tenant, reference, seq) WHERE reference IS NOT NULL AND n = 0', name_ || '_reference', name_);
  EXECUTE format('CREATE INDEX %I ON %I (tenant, seq) WHERE n = 0 AND tenant <> ''default''', name_ || '_tenant', name_);
  EXECUTE format('CREATE INDEX %I ON %I (tenant, correlation, seq) WHERE api = 3 AND n = 0', name_ || '_correlation', name_);
  EXECUTE format('CREATE INDEX %I ON %I (follows, seq) WHERE follows IS NOT NULL', name_ || '_follows', name_);
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name_);
  EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name_, number_ << 44, (number_ + 1) << 44);
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a       -- who reads the journal reads it all
    WHERE c.oid = 'journal'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT ON %I TO %s', name_, role_);
  END LOOP;
  INSERT INTO journal_partitions (number, opened_at, keys) VALUES (number_, CASE WHEN number_ <= 1 THEN clock_timestamp() END, number_ > 0);
END $$;

-- Makes partitions until `ahead` (4 at most) of them wait behind the one that is written; answers how many it made. A new partition
-- is empty and nobody's: attaching it waits for no reader and no writer of the others. A batch looks its keys up in
-- every partition that remembers keys, and locks each with its indexes: beyond 500 none is made, and the journal stays
-- in the one that it has until older keys are forgotten.
CREATE OR REPLACE FUNCTION journal_grow(ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE newest bigint; open_ bigint; made int := 0;
BEGIN
  SELECT max(number), max(number) FILTER (WHERE opened_at IS NOT NULL) INTO newest, open_ FROM journal_partitions;
  WHILE newest < open_ + least(greatest(ahead, 0), 4) LOOP
    IF (SELECT count(*) FROM journal_partitions WHERE keys) >= 500 THEN
      RAISE EXCEPTION '500 partitions remember keys, which is the limit: larger partitions or a shorter retention of keys need fewer' USING ERRCODE = 'FL010';
    END IF;
    newest := newest + 1;
    PERFORM journal_make(newest);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

-- Keys of a closed partition are forgotten when its newest is older than `retention`, an hour at least: their index
-- leaves. One partition a call; answers which.
CREATE OR REPLACE FUNCTION journal_forget_keys(retention interval) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE number_ bigint;
BEGIN
  SELECT number INTO number_ FROM journal_partitions WHERE keys AND closed_at < clock_timestamp() - greatest(retention, '1 hour') ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN NULL; END IF;
  EXECUTE format('DROP INDEX IF EXISTS %I', 'journal_' || number_ || '_key');
  UPDATE journal_partitions SET keys = false WHERE number = number_;
  RETURN number_;
END $$;

-- Notes from when to when the rows of a closed partition were accepted, so that ids and times find it. One partition a
-- call; answers which.
CREATE OR REPLACE FUNCTION journal_note_times() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE number_ bigint; first_ timestamptz; last_ timestamptz;
BEGIN
  SELECT number INTO number_ FROM journal_partitions WHERE closed_at IS NOT NULL AND first_at IS NULL ORDER BY number LIMIT 1;
  IF NOT FOUND THEN RETURN NULL; END IF;
  EXECUTE format('SELECT min(created_at), max(created_at) FROM %I', 'journal_' || number_) INTO first_, last_;
  UPDATE journal_partitions SET first_at = coalesce(first_, 'infinity'), last_at = coalesce(last_, '-infinity') WHERE number = number_;
  RETURN number_;
END $$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION refuse_change, journal_make, journal_grow, journal_forget_keys, journal_note_times FROM PUBLIC;
