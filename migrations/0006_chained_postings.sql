-- Postings are found along a chain per account, no longer by two indexes on accounts: those were the dearest part of a batch, as each
-- posting went to two random places. Each posting now names the one before it on either account, and the balance names the newest.
-- A posting's number is that of its batch times 2^20 and its place in it: one number is drawn per batch, and a transaction's postings lie
-- side by side, so that they need no index by transaction either.

CREATE SEQUENCE batch_seq CACHE 1;
SELECT setval('batch_seq', (SELECT coalesce(max(seq), 0) / 1048576 + 1 FROM postings));

ALTER TABLE balances ADD last_seq bigint NOT NULL DEFAULT 0, ADD prior_seq bigint NOT NULL DEFAULT 0; -- the newest posting, and the newest before the last batch
-- The fill factor says both how full a page is filled and how empty it must be kept: a page filled up to it is pruned at every touch. So rows are
-- born with spare bytes, which the first update gives up, and pages are pruned when they are nearly full.
ALTER TABLE balances ADD spare bytea DEFAULT decode(repeat('00', 64), 'hex');
ALTER TABLE balances ALTER spare SET STORAGE PLAIN, SET (fillfactor = 95);
ALTER TABLE transactions ADD first_seq bigint, ADD last_seq bigint;                                   -- all of its postings, and no other's, lie between
ALTER TABLE postings ADD debit_prev bigint NOT NULL DEFAULT 0, ADD credit_prev bigint NOT NULL DEFAULT 0; -- 0: it is the account's first

ALTER TABLE postings DISABLE TRIGGER append_only;
ALTER TABLE transactions DISABLE TRIGGER append_only;
WITH entries AS (
  SELECT seq, debit_account AS account FROM postings UNION ALL SELECT seq, credit_account FROM postings
), chained AS (
  SELECT seq, account, lag(seq, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS prev FROM entries
)
UPDATE postings p SET debit_prev = d.prev, credit_prev = c.prev FROM chained d, chained c
  WHERE d.seq = p.seq AND d.account = p.debit_account AND c.seq = p.seq AND c.account = p.credit_account;
UPDATE transactions t SET first_seq = p.first, last_seq = p.last
  FROM (SELECT transaction, min(seq) AS first, max(seq) AS last FROM postings GROUP BY transaction) p WHERE p.transaction = t.id;
UPDATE balances b SET last_seq = e.last
  FROM (SELECT account, max(seq) AS last FROM (SELECT debit_account AS account, seq FROM postings UNION ALL SELECT credit_account, seq FROM postings) s GROUP BY account) e
  WHERE e.account = b.account;
ALTER TABLE postings ENABLE TRIGGER append_only;
ALTER TABLE transactions ENABLE TRIGGER append_only;

ALTER TABLE postings ALTER debit_prev DROP DEFAULT, ALTER credit_prev DROP DEFAULT, DROP CONSTRAINT postings_pkey, ADD PRIMARY KEY (seq);
DROP INDEX postings_by_debit, postings_by_credit;
DROP SEQUENCE posting_seq;

CREATE OR REPLACE VIEW ledger_entries AS
  SELECT transaction, n, seq, debit_account AS account, credit_account AS counter_account, -amount AS amount, debit_balance_after AS balance_after, created_at, debit_prev AS previous FROM postings
  UNION ALL
  SELECT transaction, n, seq, credit_account, debit_account, amount, credit_balance_after, created_at, credit_prev FROM postings;

-- An account's postings, newest first: from the newest, or from the one before `below_`, which must be one of them. A chain that breaks
-- off is an error, not an end. The planner is told to go by the key: a plan made while the table was small would read it whole.
CREATE FUNCTION account_postings(account_ bigint, below_ bigint, limit_ bigint) RETURNS SETOF postings LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE p postings%ROWTYPE; at bigint;
BEGIN
  IF below_ = 9223372036854775807 THEN
    SELECT last_seq INTO at FROM balances WHERE account = account_;
  ELSE
    SELECT CASE account_ WHEN debit_account THEN debit_prev WHEN credit_account THEN credit_prev END INTO at FROM postings WHERE seq = below_;
  END IF;
  FOR n IN 1..limit_ LOOP
    EXIT WHEN at IS NULL OR at = 0;
    SELECT * INTO STRICT p FROM postings WHERE seq = at;
    RETURN NEXT p;
    at := CASE account_ WHEN p.debit_account THEN p.debit_prev ELSE p.credit_prev END;
  END LOOP;
END $$;

DROP FUNCTION apply_deltas(bigint[], numeric[], numeric[]);

-- Adds a batch's deltas to the balances, moves each chain on to its last posting in the batch, and answers the new totals with the
-- posting that was the newest before. A function of its own because generic plans guess 10 rows for unnest and would hash the whole
-- table; switching planner nodes off raises the estimated cost, which would start the JIT compiler.
CREATE FUNCTION apply_deltas(accounts_ bigint[], debits_ numeric[], credits_ numeric[], lasts_ int[], base_ bigint)
RETURNS TABLE (account bigint, debits numeric, credits numeric, version bigint, prior bigint) ROWS 1000 LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE balances b SET debits = b.debits + d.dd, credits = b.credits + d.cc, version = b.version + 1, last_seq = base_ + d.l, prior_seq = b.last_seq, spare = NULL
      FROM (SELECT unnest(accounts_) AS a, unnest(debits_) AS dd, unnest(credits_) AS cc, unnest(lasts_) AS l) d WHERE b.account = d.a -- sorted by the caller: lanes lock in one order
      RETURNING b.account, b.debits, b.credits, b.version, b.prior_seq;
END $$;

-- Another number for the batch whose balances are locked: two lanes met on an account, and the one that drew the later number was first.
CREATE FUNCTION number_anew(accounts_ bigint[], lasts_ int[], base_ bigint) RETURNS void LANGUAGE sql
SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
  UPDATE balances b SET last_seq = base_ + d.l FROM (SELECT unnest(accounts_) AS a, unnest(lasts_) AS l) d WHERE b.account = d.a
$$;

DROP FUNCTION commit_batch;

-- Commits a batch whole or not at all. Fixed order inside: fence, cut-off, keys sorted, balances sorted, rows, outbox last (its ids
-- are drawn after every aggregate row is locked).
--
-- Record arrays run in parallel, as do posting, declined-posting, outbox and account arrays. Places (firsts_, lasts_, p_prev_*, a_lasts_)
-- count the batch's postings from 1: firsts_ and lasts_ are a record's own (null: it has none), p_prev_* the posting before this one on the
-- account in this batch (null: there is none), a_lasts_ the last of an account. rest_*: what later postings of this batch still change on the
-- row's accounts (credit less debit). Answers the accounts with their totals and versions after the batch. Sets are unnested side by side in the select list, which costs a third of what FROM unnest(...) does.
-- Errors: 23505 on keys_*_pkey or FL001 a key is used, FL002 fenced, FL003 a posting names no account, FL004 a record is past its cut-off.
CREATE FUNCTION commit_batch(
  lane_ int, epoch_ bigint, session_ bigint, cutoff_ timestamptz,
  keys_ uuid[], key_ids_ uuid[], key_requests_ uuid[], key_statuses_ smallint[],                                  -- sorted by key
  ids_ uuid[], tenants_ text[], apis_ smallint[], kinds_ smallint[], statuses_ smallint[], requests_ uuid[], key_texts_ text[], references_ text[],
  descriptions_ text[], metadatas_ text[], correlations_ text[], decline_codes_ smallint[], decline_messages_ text[], created_ timestamptz[],
  firsts_ int[], lasts_ int[],
  p_ids_ uuid[], p_ns_ smallint[], p_debits_ bigint[], p_credits_ bigint[], p_amounts_ numeric[], p_rest_debits_ numeric[], p_rest_credits_ numeric[],
  p_prev_debits_ int[], p_prev_credits_ int[], p_created_ timestamptz[],
  d_ids_ uuid[], d_ns_ smallint[], d_tenants_ text[], d_debits_ text[], d_credits_ text[], d_amounts_ numeric[], d_currencies_ text[],
  o_events_ smallint[], o_aggregates_ text[], o_bodies_ text[],
  accounts_ bigint[], debits_ numeric[], credits_ numeric[], a_lasts_ int[],                                      -- sorted by account
  changes_ jsonb,                                                                                                 -- of accounts: null, or [{account, status, floor, ceiling}]
  OUT acc bigint[], OUT deb numeric[], OUT cre numeric[], OUT ver bigint[]
) LANGUAGE plpgsql
SET jit = off SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
  g bigint; base bigint; written int; now_ timestamptz := clock_timestamp(); pri bigint[];
BEGIN
  SELECT l.generation INTO g FROM lanes l WHERE l.lane = lane_ AND l.epoch = epoch_ AND l.session = session_ FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'FL002'; END IF;
  IF clock_timestamp() > cutoff_ THEN RAISE EXCEPTION 'past the cut-off' USING ERRCODE = 'FL004'; END IF;   -- after the lock: waiting counts

  IF g % 2 = 0 THEN
    INSERT INTO keys_even SELECT unnest(keys_), unnest(key_ids_), unnest(key_requests_), unnest(key_statuses_);
    IF EXISTS (SELECT FROM keys_odd WHERE key = ANY (keys_)) THEN RAISE EXCEPTION 'key used' USING ERRCODE = 'FL001'; END IF;
  ELSE
    INSERT INTO keys_odd SELECT unnest(keys_), unnest(key_ids_), unnest(key_requests_), unnest(key_statuses_);
    IF EXISTS (SELECT FROM keys_even WHERE key = ANY (keys_)) THEN RAISE EXCEPTION 'key used' USING ERRCODE = 'FL001'; END IF;
  END IF;

  IF cardinality(accounts_) > 0 THEN
    base := nextval('batch_seq') * 1048576;
    SELECT array_agg(a.account), array_agg(a.debits), array_agg(a.credits), array_agg(a.version), array_agg(a.prior) INTO acc, deb, cre, ver, pri
      FROM apply_deltas(accounts_, debits_, credits_, a_lasts_, base) a;
    IF coalesce(cardinality(acc), 0) <> cardinality(accounts_) THEN RAISE EXCEPTION 'unknown account' USING ERRCODE = 'FL003'; END IF;
    IF base < ANY (pri) THEN
      base := nextval('batch_seq') * 1048576;
      PERFORM number_anew(accounts_, a_lasts_, base);
    END IF;
  END IF;

  INSERT INTO transactions (id, tenant, api, kind, status, request, key, reference, description, metadata, correlation, decline_code, decline_message, created_at, first_seq, last_seq)
    SELECT unnest(ids_), unnest(tenants_), unnest(apis_), unnest(kinds_), unnest(statuses_), unnest(requests_), unnest(key_texts_), unnest(references_), unnest(descriptions_),
      unnest(metadatas_), unnest(correlations_), unnest(decline_codes_), unnest(decline_messages_), unnest(created_), base + unnest(firsts_), base + unnest(lasts_);

  IF cardinality(p_ids_) > 0 THEN
    INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at, debit_prev, credit_prev)
      SELECT p.id, p.n, base + p.o, p.d, p.c, p.a, td.credits - td.debits - p.rd, tc.credits - tc.debits - p.rc, p.t, coalesce(base + p.pd, td.prior), coalesce(base + p.pc, tc.prior)
      FROM (SELECT unnest(p_ids_) AS id, unnest(p_ns_) AS n, unnest(p_debits_) AS d, unnest(p_credits_) AS c, unnest(p_amounts_) AS a, unnest(p_rest_debits_) AS rd, unnest(p_rest_credits_) AS rc,
              unnest(p_prev_debits_) AS pd, unnest(p_prev_credits_) AS pc, unnest(p_created_) AS t, generate_series(1, cardinality(p_ids_)) AS o) p
        JOIN (SELECT unnest(acc) AS account, unnest(deb) AS debits, unnest(cre) AS credits, unnest(pri) AS prior) td ON td.account = p.d
        JOIN (SELECT unnest(acc) AS account, unnest(deb) AS debits, unnest(cre) AS credits, unnest(pri) AS prior) tc ON tc.account = p.c
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
    INSERT INTO outbox (event, aggregate, body, created_at) SELECT unnest(o_events_), unnest(o_aggregates_), unnest(o_bodies_), now_;
  END IF;
END $$;

-- What is new goes to roles that serve already, and to nobody else.
REVOKE EXECUTE ON FUNCTION account_postings, apply_deltas, number_anew, commit_batch FROM PUBLIC;
DO $$
DECLARE role_ regrole;
BEGIN
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'lanes'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION account_postings, apply_deltas, number_anew, commit_batch TO %s', role_);
    EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE batch_seq TO %s', role_);
  END LOOP;
END $$;
