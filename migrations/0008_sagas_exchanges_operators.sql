-- Movements that are more than postings: exchanges at a rate, workflows that leave the ledger, what operators do and why.

-- Units of quote for one unit of base, as somebody quoted them. A new rate is a new row.
CREATE TABLE rates (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant       text NOT NULL,
  base         text NOT NULL REFERENCES currencies,
  quote        text NOT NULL REFERENCES currencies CHECK (quote <> base),
  rate         numeric(28,12) NOT NULL CHECK (rate > 0),
  source       text NOT NULL CHECK (octet_length(source) <= 255),
  observed_at  timestamptz NOT NULL,                                    -- it is as old as this says
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rates_newest ON rates (tenant, base, quote, observed_at DESC, id DESC);

-- At which rate a transaction exchanged money.
CREATE TABLE exchanges (
  transaction  uuid PRIMARY KEY,
  rate_id      bigint NOT NULL,
  base         text NOT NULL,
  quote        text NOT NULL,
  rate         numeric(28,12) NOT NULL CHECK (rate > 0),
  rounding     text NOT NULL
);

-- Workflows that leave the ledger. What happened to one is its events; the rest of its row follows from them.
CREATE TABLE sagas (
  id           uuid PRIMARY KEY,                                        -- the transaction that started it
  tenant       text NOT NULL,
  workflow     smallint NOT NULL,                                       -- 1 payout, 2 card top-up
  status       smallint NOT NULL CHECK (status BETWEEN 1 AND 5),        -- 1 processing, 2 compensating, 3 completed, 4 failed, 5 stuck
  events       int NOT NULL CHECK (events >= 0),                        -- how many there are
  wake_at      timestamptz,                                             -- when it goes on; null: it has ended, or is stuck
  correlation  text,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sagas_due ON sagas (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX sagas_stuck ON sagas (tenant, updated_at, id) WHERE status = 5;
CREATE INDEX sagas_by_tenant ON sagas (tenant, id);
CREATE INDEX sagas_by_correlation ON sagas (tenant, correlation, id);

CREATE TABLE saga_events (
  saga  uuid NOT NULL,
  n     int NOT NULL CHECK (n > 0),                                     -- from 1, without a gap
  body  jsonb NOT NULL,
  at    timestamptz NOT NULL,
  PRIMARY KEY (saga, n)
);

-- Who did what: changes that an operator made, and why.
CREATE TABLE operator_actions (
  id           uuid PRIMARY KEY,
  tenant       text NOT NULL,
  at           timestamptz NOT NULL,
  actor        text NOT NULL CHECK (octet_length(actor) <= 255),        -- the key's or the certificate's name
  action       text NOT NULL CHECK (octet_length(action) <= 64),
  subject      text NOT NULL CHECK (octet_length(subject) <= 255),
  reason       text NOT NULL CHECK (octet_length(reason) <= 1024),
  before       jsonb,
  after        jsonb,
  correlation  text
);
CREATE INDEX operator_actions_newest ON operator_actions (tenant, at, id);
CREATE INDEX operator_actions_by_subject ON operator_actions (tenant, subject, at, id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exchanges FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON saga_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Appends facts to sagas: [{saga, n, body, at, status, wake_at}], those of one saga one after the other, the last with what follows from all.
-- Where a saga has gone on otherwise (fact n is there already, or the one before is not) it fails whole.
CREATE FUNCTION append_saga_facts(facts_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE expected int; found int;
BEGIN
  UPDATE sagas s SET events = l.n, status = l.status, wake_at = l.wake_at, updated_at = l.at
    FROM (SELECT DISTINCT ON (f.saga) f.saga, f.n, f.status, f.wake_at, f.at, min(f.n) OVER (PARTITION BY f.saga) AS first
            FROM jsonb_to_recordset(facts_) AS f(saga uuid, n int, status smallint, wake_at timestamptz, at timestamptz) ORDER BY f.saga, f.n DESC) l
    WHERE s.id = l.saga AND s.events = l.first - 1;
  GET DIAGNOSTICS found = ROW_COUNT;
  SELECT count(DISTINCT f.saga) INTO expected FROM jsonb_to_recordset(facts_) AS f(saga uuid);
  IF found <> expected THEN RAISE EXCEPTION 'the saga has gone on otherwise' USING ERRCODE = 'FL006'; END IF;
  INSERT INTO saga_events (saga, n, body, at)
    SELECT f.saga, f.n, f.body, f.at FROM jsonb_to_recordset(facts_) AS f(saga uuid, n int, body jsonb, at timestamptz);
END $$;

-- Rows of a batch that are rare: {exchanges, undone, sagas, facts, actions}, each an array or absent. undone: what gave back and was
-- reversed, [{payment, given}]: so much may be given back again; below zero: it counts again.
CREATE FUNCTION apply_extras(extras_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO exchanges (transaction, rate_id, base, quote, rate, rounding)
    SELECT * FROM jsonb_to_recordset(extras_ -> 'exchanges') AS e(transaction uuid, rate_id bigint, base text, quote text, rate numeric, rounding text);
  UPDATE refunded r SET given = r.given - u.given
    FROM (SELECT s.payment, sum(s.given) AS given FROM jsonb_to_recordset(extras_ -> 'undone') AS s(payment uuid, given numeric) GROUP BY s.payment ORDER BY s.payment) u
    WHERE r.payment = u.payment;
  INSERT INTO sagas (id, tenant, workflow, status, events, wake_at, correlation, created_at, updated_at)
    SELECT s.id, s.tenant, s.workflow, 1, 0, s.at, s.correlation, s.at, s.at
      FROM jsonb_to_recordset(extras_ -> 'sagas') AS s(id uuid, tenant text, workflow smallint, correlation text, at timestamptz);
  IF extras_ ? 'facts' THEN PERFORM append_saga_facts(extras_ -> 'facts'); END IF;
  INSERT INTO operator_actions (id, tenant, at, actor, action, subject, reason, before, after, correlation)
    SELECT * FROM jsonb_to_recordset(extras_ -> 'actions')
      AS o(id uuid, tenant text, at timestamptz, actor text, action text, subject text, reason text, before jsonb, after jsonb, correlation text);
END $$;

-- Changes accounts' guards: [{account, status, floor, ceiling}]. A function of its own for the same reasons as apply_deltas.
CREATE FUNCTION apply_changes(changes_ jsonb)
RETURNS TABLE (account bigint, debits numeric, credits numeric, held numeric, version bigint) ROWS 10 LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE balances b SET status = c.status, version = b.version + 1,
        floor = c.floor, floor_from = CASE WHEN b.credits - b.debits - b.held < c.floor THEN b.credits - b.debits - b.held END,
        ceiling = c.ceiling, ceiling_from = CASE WHEN b.credits - b.debits > c.ceiling THEN b.credits - b.debits END
      FROM (SELECT * FROM jsonb_to_recordset(changes_) AS r(account bigint, status smallint, floor numeric, ceiling numeric) ORDER BY r.account) c WHERE b.account = c.account
      RETURNING b.account, b.debits, b.credits, b.held, b.version;
END $$;

DROP FUNCTION commit_batch;

-- Commits a batch whole or not at all. Fixed order inside: fence, cut-off, keys sorted, balances sorted, rows, outbox last (its ids
-- are drawn after every aggregate row is locked).
--
-- Record arrays run in parallel, as do posting, declined-posting, outbox and account arrays. Places (firsts_, lasts_, p_prev_*, a_lasts_)
-- count the batch's postings from 1: firsts_ and lasts_ are a record's own (null: it has none), p_prev_* the posting before this one on the
-- account in this batch (null: there is none), a_lasts_ the last of an account. rest_*: what later postings of this batch still change on the
-- row's accounts (credit less debit). h_* are new holds (their ids are their transactions'), t_* what a transaction takes from a hold by capture or void,
-- r_* refunds of a payment of r_limits_, extras_ rows that are rare (see apply_extras; null: none). Answers the accounts with their totals and versions after the batch. Sets are unnested side by side in the select list, which costs a third of what FROM unnest(...) does.
-- Errors: 23505 on keys_*_pkey or FL001 a key is used, FL002 fenced, FL003 a posting names no account, FL004 a record is past its cut-off,
-- FL005 there is no such hold, FL006 a saga has gone on otherwise, 23514 on hold_taken or refund_given: more than there is.
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
  extras_ jsonb,
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

  IF extras_ IS NOT NULL THEN
    PERFORM apply_extras(extras_);
  END IF;

  IF changes_ IS NOT NULL THEN
    SELECT acc || array_agg(c.account), deb || array_agg(c.debits), cre || array_agg(c.credits), hel || array_agg(c.held), ver || array_agg(c.version)
      INTO acc, deb, cre, hel, ver FROM apply_changes(changes_) c;
  END IF;

  IF cardinality(o_events_) > 0 THEN
    INSERT INTO outbox (event, aggregate, body, created_at) SELECT unnest(o_events_), unnest(o_aggregates_), unnest(o_bodies_), now_;
  END IF;
END $$;

-- What is new goes to roles that serve already, and to nobody else.
REVOKE EXECUTE ON FUNCTION append_saga_facts, apply_extras, apply_changes, commit_batch FROM PUBLIC;
DO $$
DECLARE role_ regrole;
BEGIN
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'lanes'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT, INSERT ON rates, exchanges, sagas, saga_events, operator_actions TO %s', role_);
    EXECUTE format('GRANT UPDATE ON sagas TO %s', role_);
    EXECUTE format('GRANT EXECUTE ON FUNCTION append_saga_facts, apply_extras, apply_changes, commit_batch TO %s', role_);
  END LOOP;
END $$;
