-- What moves money in more ways: holds, refunds, limits that may be set past a balance, whose an account is.

-- Whose an account is, as the caller says.
ALTER TABLE accounts ADD owner_type text NOT NULL DEFAULT '' CHECK (octet_length(owner_type) <= 64), ADD subtype text CHECK (octet_length(subtype) <= 64);
CREATE INDEX accounts_by_owner ON accounts (tenant, owner, id);

-- Clients of contract 4 look their movements up by correlation id.
CREATE INDEX transactions_by_correlation ON transactions (tenant, correlation, id) WHERE api = 3;

ALTER TABLE currencies ADD active boolean NOT NULL DEFAULT true, ADD metadata text;

-- A limit may be set past the balance: it binds new movements, and moves nothing. The database then guards where the balance stood, until the
-- limit is set again; accounts' actors keep to the limit itself. (least and greatest leave nulls out.)
ALTER TABLE balances ADD floor_from numeric(38,0), ADD ceiling_from numeric(38,0),
  DROP CONSTRAINT balance_floor, DROP CONSTRAINT balance_ceiling,
  ADD CONSTRAINT balance_floor CHECK (credits - debits - held >= least(floor, floor_from)),
  ADD CONSTRAINT balance_ceiling CHECK (credits - debits <= greatest(ceiling, ceiling_from));

-- Money that is promised and not posted yet: taken from what is available, in part or whole captured, the rest voided. What is taken counts up.
CREATE TABLE holds (
  id              uuid PRIMARY KEY,                                     -- the transaction that authorized it
  debit_account   bigint NOT NULL,
  credit_account  bigint NOT NULL,
  amount          numeric(28,0) NOT NULL CHECK (amount > 0),
  captured        numeric(28,0) NOT NULL DEFAULT 0 CHECK (captured >= 0),
  voided          numeric(28,0) NOT NULL DEFAULT 0 CHECK (voided >= 0),
  expires_at      timestamptz NOT NULL,
  CONSTRAINT hold_taken CHECK (captured + voided <= amount)
) WITH (fillfactor = 80);
CREATE INDEX holds_open ON holds (expires_at, id) WHERE captured + voided < amount;
CREATE INDEX holds_by_account ON holds (debit_account, id);

-- What each transaction took from a hold.
CREATE TABLE hold_steps (
  transaction  uuid PRIMARY KEY,
  hold         uuid NOT NULL,
  captured     numeric(28,0) NOT NULL CHECK (captured >= 0),
  voided       numeric(28,0) NOT NULL CHECK (voided >= 0)
);
CREATE INDEX hold_steps_by_hold ON hold_steps (hold, transaction);

-- What was given back of a payment, and by which transactions.
CREATE TABLE refunded (
  payment  uuid PRIMARY KEY,
  amount   numeric(28,0) NOT NULL CHECK (amount > 0),                   -- the payment's
  given    numeric(28,0) NOT NULL CHECK (given >= 0),
  CONSTRAINT refund_given CHECK (given <= amount)
);
CREATE TABLE refunds (
  refund   uuid PRIMARY KEY,
  payment  uuid NOT NULL,
  amount   numeric(28,0) NOT NULL CHECK (amount > 0)
);
CREATE INDEX refunds_by_payment ON refunds (payment, refund);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hold_steps FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DROP FUNCTION apply_deltas;

-- Adds a batch's deltas to the balances, moves each chain on to its last posting in the batch (null: it has none there), and answers the new totals with
-- the posting that was the newest before. A function of its own because generic plans guess 10 rows for unnest and would hash the whole
-- table; switching planner nodes off raises the estimated cost, which would start the JIT compiler.
CREATE FUNCTION apply_deltas(accounts_ bigint[], debits_ numeric[], credits_ numeric[], helds_ numeric[], lasts_ int[], base_ bigint)
RETURNS TABLE (account bigint, debits numeric, credits numeric, held numeric, version bigint, prior bigint) ROWS 1000 LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE balances b SET debits = b.debits + d.dd, credits = b.credits + d.cc, held = b.held + d.hh, version = b.version + 1,
        last_seq = coalesce(base_ + d.l, b.last_seq), prior_seq = b.last_seq, spare = NULL
      FROM (SELECT unnest(accounts_) AS a, unnest(debits_) AS dd, unnest(credits_) AS cc, unnest(helds_) AS hh, unnest(lasts_) AS l) d WHERE b.account = d.a -- sorted by the caller: lanes lock in one order
      RETURNING b.account, b.debits, b.credits, b.held, b.version, b.prior_seq;
END $$;

-- Another number for the batch whose balances are locked: two lanes met on an account, and the one that drew the later number was first.
CREATE OR REPLACE FUNCTION number_anew(accounts_ bigint[], lasts_ int[], base_ bigint) RETURNS void LANGUAGE sql
SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
  UPDATE balances b SET last_seq = base_ + d.l FROM (SELECT unnest(accounts_) AS a, unnest(lasts_) AS l) d WHERE b.account = d.a AND d.l IS NOT NULL
$$;

-- New holds, and what transactions take from holds; several may take from one. Sorted, so that lanes lock in one order.
CREATE FUNCTION apply_holds(
  ids_ uuid[], debits_ bigint[], credits_ bigint[], amounts_ numeric[], expires_ timestamptz[],
  t_ids_ uuid[], t_holds_ uuid[], t_captured_ numeric[], t_voided_ numeric[]
) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE n int; found int;
BEGIN
  INSERT INTO holds (id, debit_account, credit_account, amount, expires_at) SELECT unnest(ids_), unnest(debits_), unnest(credits_), unnest(amounts_), unnest(expires_);
  IF cardinality(t_ids_) = 0 THEN RETURN; END IF;
  UPDATE holds h SET captured = h.captured + t.c, voided = h.voided + t.v
    FROM (SELECT s.hold, sum(s.c) AS c, sum(s.v) AS v FROM (SELECT unnest(t_holds_) AS hold, unnest(t_captured_) AS c, unnest(t_voided_) AS v) s GROUP BY s.hold ORDER BY s.hold) t WHERE h.id = t.hold;
  GET DIAGNOSTICS found = ROW_COUNT;
  SELECT count(DISTINCT h) INTO n FROM unnest(t_holds_) h;
  IF found <> n THEN RAISE EXCEPTION 'unknown hold' USING ERRCODE = 'FL005'; END IF;
  INSERT INTO hold_steps (transaction, hold, captured, voided) SELECT unnest(t_ids_), unnest(t_holds_), unnest(t_captured_), unnest(t_voided_);
END $$;

-- Gives back of payments; several refunds may be of one.
CREATE FUNCTION apply_refunds(ids_ uuid[], payments_ uuid[], limits_ numeric[], amounts_ numeric[]) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
BEGIN
  INSERT INTO refunded AS r (payment, amount, given)
    SELECT g.payment, g.amount, sum(g.given) FROM (SELECT unnest(payments_) AS payment, unnest(limits_) AS amount, unnest(amounts_) AS given) g
      GROUP BY g.payment, g.amount ORDER BY g.payment
    ON CONFLICT (payment) DO UPDATE SET given = r.given + excluded.given;
  INSERT INTO refunds (refund, payment, amount) SELECT unnest(ids_), unnest(payments_), unnest(amounts_);
END $$;

DROP FUNCTION commit_batch;

-- Commits a batch whole or not at all. Fixed order inside: fence, cut-off, keys sorted, balances sorted, rows, outbox last (its ids
-- are drawn after every aggregate row is locked).
--
-- Record arrays run in parallel, as do posting, declined-posting, outbox and account arrays. Places (firsts_, lasts_, p_prev_*, a_lasts_)
-- count the batch's postings from 1: firsts_ and lasts_ are a record's own (null: it has none), p_prev_* the posting before this one on the
-- account in this batch (null: there is none), a_lasts_ the last of an account. rest_*: what later postings of this batch still change on the
-- row's accounts (credit less debit). h_* are new holds (their ids are their transactions'), t_* what a transaction takes from a hold by capture or void,
-- r_* refunds of a payment of r_limits_. Answers the accounts with their totals and versions after the batch. Sets are unnested side by side in the select list, which costs a third of what FROM unnest(...) does.
-- Errors: 23505 on keys_*_pkey or FL001 a key is used, FL002 fenced, FL003 a posting names no account, FL004 a record is past its cut-off,
-- FL005 there is no such hold, 23514 on hold_taken or refund_given: more than there is.
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
  helds_ numeric[],                                                                                               -- by account, as accounts_: what is held more, or less
  h_ids_ uuid[], h_debits_ bigint[], h_credits_ bigint[], h_amounts_ numeric[], h_expires_ timestamptz[],
  t_ids_ uuid[], t_holds_ uuid[], t_captured_ numeric[], t_voided_ numeric[],
  r_ids_ uuid[], r_payments_ uuid[], r_limits_ numeric[], r_amounts_ numeric[],
  OUT acc bigint[], OUT deb numeric[], OUT cre numeric[], OUT hel numeric[], OUT ver bigint[]
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
    SELECT array_agg(a.account), array_agg(a.debits), array_agg(a.credits), array_agg(a.held), array_agg(a.version), array_agg(a.prior) INTO acc, deb, cre, hel, ver, pri
      FROM apply_deltas(accounts_, debits_, credits_, helds_, a_lasts_, base) a;
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

  IF cardinality(h_ids_) > 0 OR cardinality(t_ids_) > 0 THEN
    PERFORM apply_holds(h_ids_, h_debits_, h_credits_, h_amounts_, h_expires_, t_ids_, t_holds_, t_captured_, t_voided_);
  END IF;

  IF cardinality(r_ids_) > 0 THEN
    PERFORM apply_refunds(r_ids_, r_payments_, r_limits_, r_amounts_);
  END IF;

  IF changes_ IS NOT NULL THEN
    WITH changed AS (
      UPDATE balances b SET status = c.status, version = b.version + 1,
          floor = c.floor, floor_from = CASE WHEN b.credits - b.debits - b.held < c.floor THEN b.credits - b.debits - b.held END,
          ceiling = c.ceiling, ceiling_from = CASE WHEN b.credits - b.debits > c.ceiling THEN b.credits - b.debits END
        FROM jsonb_to_recordset(changes_) AS c(account bigint, status smallint, floor numeric, ceiling numeric) WHERE b.account = c.account
        RETURNING b.account, b.debits, b.credits, b.held, b.version)
    SELECT acc || array_agg(c.account), deb || array_agg(c.debits), cre || array_agg(c.credits), hel || array_agg(c.held), ver || array_agg(c.version)
      INTO acc, deb, cre, hel, ver FROM changed c;
  END IF;

  IF cardinality(o_events_) > 0 THEN
    INSERT INTO outbox (event, aggregate, body, created_at) SELECT unnest(o_events_), unnest(o_aggregates_), unnest(o_bodies_), now_;
  END IF;
END $$;

-- What is new goes to roles that serve already, and to nobody else.
REVOKE EXECUTE ON FUNCTION apply_deltas, apply_holds, apply_refunds, commit_batch FROM PUBLIC;
DO $$
DECLARE role_ regrole;
BEGIN
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'lanes'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT, INSERT ON holds, hold_steps, refunded, refunds TO %s', role_);
    EXECUTE format('GRANT UPDATE ON holds, refunded TO %s', role_);
    EXECUTE format('GRANT EXECUTE ON FUNCTION apply_deltas, apply_holds, apply_refunds, commit_batch TO %s', role_);
  END LOOP;
END $$;
