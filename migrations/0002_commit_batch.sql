-- One batch, one call: the journal's functions.

-- Adds a batch's deltas to the balances and answers the new totals. A function of its own because generic plans guess 10 rows for
-- unnest and would hash the whole table; switching planner nodes off raises the estimated cost, which would start the JIT compiler.
CREATE FUNCTION apply_deltas(accounts_ bigint[], debits_ numeric[], credits_ numeric[])
RETURNS TABLE (account bigint, debits numeric, credits numeric, version bigint) ROWS 1000 LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE balances b SET debits = b.debits + d.dd, credits = b.credits + d.cc, version = b.version + 1
      FROM unnest(accounts_, debits_, credits_) AS d(a, dd, cc) WHERE b.account = d.a    -- sorted by the caller: lanes lock in one order
      RETURNING b.account, b.debits, b.credits, b.version;
END $$;

-- Commits a batch whole or not at all. Fixed order inside: fence, cut-off, keys sorted, balances sorted, rows, outbox last (its ids
-- are drawn after every aggregate row is locked).
--
-- Record arrays run in parallel, as do posting, declined-posting, outbox and account arrays. rest_*: what later postings of this batch
-- still change on the row's accounts (credit less debit). Errors: FL001 a key is used, FL002 fenced, FL003 a posting names no account,
-- FL004 a record is past its cut-off.
CREATE FUNCTION commit_batch(
  lane_ int, epoch_ bigint, session_ bigint, cutoff_ timestamptz,
  keys_ uuid[], key_ids_ uuid[], key_requests_ uuid[], key_statuses_ smallint[],                                  -- sorted by key
  ids_ uuid[], tenants_ text[], apis_ smallint[], kinds_ smallint[], statuses_ smallint[], requests_ uuid[], key_texts_ text[], references_ text[],
  descriptions_ text[], metadatas_ text[], correlations_ text[], decline_codes_ smallint[], decline_messages_ text[], created_ timestamptz[],
  p_ids_ uuid[], p_ns_ smallint[], p_debits_ bigint[], p_credits_ bigint[], p_amounts_ numeric[], p_rest_debits_ numeric[], p_rest_credits_ numeric[], p_created_ timestamptz[],
  d_ids_ uuid[], d_ns_ smallint[], d_tenants_ text[], d_debits_ text[], d_credits_ text[], d_amounts_ numeric[], d_currencies_ text[],
  o_events_ smallint[], o_aggregates_ text[], o_bodies_ text[],
  accounts_ bigint[], debits_ numeric[], credits_ numeric[],                                                      -- sorted by account
  changes_ jsonb                                                                                                  -- of accounts: null, or [{account, status, floor, ceiling}]
) RETURNS TABLE (account bigint, debits numeric, credits numeric, version bigint) LANGUAGE plpgsql
SET jit = off SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
  g bigint; fresh int; seen boolean; written int; now_ timestamptz := clock_timestamp();
  acc bigint[] := '{}'; deb numeric[] := '{}'; cre numeric[] := '{}'; ver bigint[] := '{}';
BEGIN
  SELECT l.generation INTO g FROM lanes l WHERE l.lane = lane_ AND l.epoch = epoch_ AND l.session = session_ FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'FL002'; END IF;
  IF clock_timestamp() > cutoff_ THEN RAISE EXCEPTION 'past the cut-off' USING ERRCODE = 'FL004'; END IF;   -- after the lock: waiting counts

  IF g % 2 = 0 THEN
    INSERT INTO keys_even SELECT * FROM unnest(keys_, key_ids_, key_requests_, key_statuses_) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS fresh = ROW_COUNT;
    seen := EXISTS (SELECT FROM keys_odd WHERE key = ANY (keys_));
  ELSE
    INSERT INTO keys_odd SELECT * FROM unnest(keys_, key_ids_, key_requests_, key_statuses_) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS fresh = ROW_COUNT;
    seen := EXISTS (SELECT FROM keys_even WHERE key = ANY (keys_));
  END IF;
  IF fresh <> cardinality(keys_) OR seen THEN RAISE EXCEPTION 'key used' USING ERRCODE = 'FL001'; END IF;

  IF cardinality(accounts_) > 0 THEN
    SELECT array_agg(a.account), array_agg(a.debits), array_agg(a.credits), array_agg(a.version) INTO acc, deb, cre, ver
      FROM apply_deltas(accounts_, debits_, credits_) a;
    IF coalesce(cardinality(acc), 0) <> cardinality(accounts_) THEN RAISE EXCEPTION 'unknown account' USING ERRCODE = 'FL003'; END IF;
  END IF;

  INSERT INTO transactions (id, tenant, api, kind, status, request, key, reference, description, metadata, correlation, decline_code, decline_message, created_at)
    SELECT r.id, r.tenant, r.api, r.kind, r.status, r.request, r.key, r.reference, r.description, r.metadata, r.correlation, r.decline_code, r.decline_message, r.created_at
    FROM unnest(ids_, tenants_, apis_, kinds_, statuses_, requests_, key_texts_, references_, descriptions_, metadatas_, correlations_, decline_codes_, decline_messages_, created_)
      AS r(id, tenant, api, kind, status, request, key, reference, description, metadata, correlation, decline_code, decline_message, created_at);

  IF cardinality(p_ids_) > 0 THEN
    INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at)
      SELECT p.id, p.n, nextval('posting_seq'), p.d, p.c, p.a, td.credits - td.debits - p.rd, tc.credits - tc.debits - p.rc, p.t
      FROM (SELECT * FROM unnest(p_ids_, p_ns_, p_debits_, p_credits_, p_amounts_, p_rest_debits_, p_rest_credits_, p_created_)
              WITH ORDINALITY AS u(id, n, d, c, a, rd, rc, t, o)) p
        JOIN unnest(acc, deb, cre) AS td(account, debits, credits) ON td.account = p.d
        JOIN unnest(acc, deb, cre) AS tc(account, debits, credits) ON tc.account = p.c
      ORDER BY p.o;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(p_ids_) THEN RAISE EXCEPTION 'unknown account' USING ERRCODE = 'FL003'; END IF;
  END IF;

  IF cardinality(d_ids_) > 0 THEN
    INSERT INTO declined_postings (transaction, n, tenant, debit_account, credit_account, amount, currency)
      SELECT * FROM unnest(d_ids_, d_ns_, d_tenants_, d_debits_, d_credits_, d_amounts_, d_currencies_);
  END IF;

  IF changes_ IS NOT NULL THEN
    WITH changed AS (
      UPDATE balances b SET status = c.status, floor = c.floor, ceiling = c.ceiling, version = b.version + 1
        FROM jsonb_to_recordset(changes_) AS c(account bigint, status smallint, floor numeric, ceiling numeric) WHERE b.account = c.account
        RETURNING b.account, b.debits, b.credits, b.version)
    SELECT acc || array_agg(c.account), deb || array_agg(c.debits), cre || array_agg(c.credits), ver || array_agg(c.version)
      INTO acc, deb, cre, ver FROM changed c;
  END IF;

  IF cardinality(o_events_) > 0 THEN
    INSERT INTO outbox (event, aggregate, body, created_at)
      SELECT o.event, o.aggregate, o.body, now_ FROM unnest(o_events_, o_aggregates_, o_bodies_) AS o(event, aggregate, body);
  END IF;
  RETURN QUERY SELECT * FROM unnest(acc, deb, cre, ver);
END $$;

-- Empties the older generation of keys and makes it the current one, once the current one is older than the retention.
-- Every lane waits meanwhile, so it gives up (55P03) rather than wait for whoever reads the keys, such as a dump; answers whether it switched.
CREATE FUNCTION switch_key_generation(retention interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET lock_timeout = '500ms' AS $$
DECLARE g bigint;
BEGIN
  PERFORM 1 FROM lanes ORDER BY lane FOR UPDATE;
  SELECT max(generation) INTO g FROM key_generations;
  IF (SELECT started_at FROM key_generations WHERE generation = g) > clock_timestamp() - retention THEN RETURN false; END IF;
  IF g % 2 = 0 THEN TRUNCATE keys_odd; ELSE TRUNCATE keys_even; END IF;
  INSERT INTO key_generations (generation) VALUES (g + 1);
  DELETE FROM key_generations WHERE generation < g;
  UPDATE lanes SET generation = g + 1;
  RETURN true;
END $$;

-- Shuts out every older session of a lane, waiting for its backend within the caller's lock_timeout; answers the new session,
-- or nothing when the epoch is no longer the caller's.
CREATE FUNCTION raise_session(lane_ int, epoch_ bigint) RETURNS TABLE (session bigint) LANGUAGE sql AS $$
  UPDATE lanes l SET session = l.session + 1, pid = pg_backend_pid() WHERE l.lane = lane_ AND l.epoch = epoch_ RETURNING l.session
$$;
