-- Writing the journal: one batch by one call.

-- New holds, and what transactions take from holds; several may take from one. Sorted, so that all lock in one order.
CREATE OR REPLACE FUNCTION apply_holds(
  ids_ uuid[], debits_ bigint[], credits_ bigint[], amounts_ numeric[], expires_ timestamptz[], seqs_ bigint[], t_holds_ uuid[], t_captured_ numeric[], t_voided_ numeric[]
) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE n int; found int;
BEGIN
  INSERT INTO holds (id, debit_account, credit_account, amount, expires_at, seq)
    SELECT unnest(ids_), unnest(debits_), unnest(credits_), unnest(amounts_), unnest(expires_), unnest(seqs_);
  IF cardinality(t_holds_) = 0 THEN RETURN; END IF;
  UPDATE holds h SET captured = h.captured + t.c, voided = h.voided + t.v
    FROM (SELECT s.hold, sum(s.c) AS c, sum(s.v) AS v FROM (SELECT unnest(t_holds_) AS hold, unnest(t_captured_) AS c, unnest(t_voided_) AS v) s GROUP BY s.hold ORDER BY s.hold) t WHERE h.id = t.hold;
  GET DIAGNOSTICS found = ROW_COUNT;
  SELECT count(DISTINCT h) INTO n FROM unnest(t_holds_) h;
  IF found <> n THEN RAISE EXCEPTION 'unknown hold' USING ERRCODE = 'FL005'; END IF;
END $$;

-- Notes facts of sagas: [{saga, n, seq, at, status, wake_at, asked}], those of one saga one after the other, the last
-- with what follows from all; each is in the body of the row at its place. Where a saga has gone on otherwise (fact n
-- is there already, or the one before is not), or nobody asks for this any more, it fails whole.
CREATE OR REPLACE FUNCTION append_saga_facts(facts_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE expected int; found int;
BEGIN
  UPDATE sagas s SET facts = s.facts || l.places, asked = NULL, status = l.status, wake_at = l.wake_at, updated_at = l.at
    FROM (SELECT DISTINCT ON (f.saga) f.saga, f.n, f.status, f.wake_at, f.at, f.asked, min(f.n) OVER w AS first, array_agg(f.seq) OVER w AS places
            FROM jsonb_to_recordset(facts_) AS f(saga uuid, n int, seq bigint, status smallint, wake_at timestamptz, at timestamptz, asked text)
            WINDOW w AS (PARTITION BY f.saga ORDER BY f.n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY f.saga, f.n DESC) l
    WHERE s.id = l.saga AND cardinality(s.facts) = l.first - 1 AND cardinality(l.places) = l.n - l.first + 1 AND (l.asked IS NULL OR s.asked ->> 'id' = l.asked);
  GET DIAGNOSTICS found = ROW_COUNT;
  SELECT count(DISTINCT f.saga) INTO expected FROM jsonb_to_recordset(facts_) AS f(saga uuid);
  IF found <> expected THEN RAISE EXCEPTION 'the saga has gone on otherwise' USING ERRCODE = 'FL006'; END IF;
END $$;

-- Opens accounts: [{tenant, name, kind, normal_side, currency, owner, owner_type, subtype, metadata, floor, ceiling}].
-- Their currencies stay in use until this commits.
CREATE OR REPLACE FUNCTION open_accounts(accounts_ jsonb) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
DECLARE missing int;
BEGIN
  WITH asked AS (
    SELECT * FROM jsonb_to_recordset(accounts_) AS a(tenant text, name text, kind smallint, normal_side smallint, currency text, owner text, owner_type text, subtype text, metadata text, floor numeric, ceiling numeric)
  ), opened AS (
    INSERT INTO accounts (tenant, name, kind, normal_side, currency, owner, owner_type, subtype, metadata)
      SELECT tenant, name, kind, normal_side, currency, owner, owner_type, subtype, metadata FROM asked RETURNING id, tenant, name
  )
  INSERT INTO balances (account, floor, floor_from, ceiling, ceiling_from)
    SELECT o.id, a.floor, CASE WHEN a.floor > 0 THEN 0 END, a.ceiling, CASE WHEN a.ceiling < 0 THEN 0 END FROM opened o JOIN asked a ON a.tenant = o.tenant AND a.name = o.name;
  PERFORM FROM currencies c WHERE c.code IN (SELECT a ->> 'currency' FROM jsonb_array_elements(accounts_) a) FOR SHARE;
  SELECT count(*) INTO missing FROM currencies c WHERE NOT c.active AND c.code IN (SELECT a ->> 'currency' FROM jsonb_array_elements(accounts_) a);
  IF missing > 0 THEN RAISE EXCEPTION 'the currency takes no new accounts' USING ERRCODE = 'FL007'; END IF;
END $$;

-- Rows of a batch that are rare, each kind an array or absent: accounts (see open_accounts), refunds [{payment, limit,
-- given, reversal}], undone [{payment, given}]: what gave back and was undone, so that so much may be given back again
-- (below zero: it counts again), sagas, facts, actions, derived [{id, seq}], declines [{tenant, account, seq}], replays
-- [{letter, seq}], invoices (see issue_invoices), settlements (see settle_invoices), released [{parked}].
CREATE OR REPLACE FUNCTION apply_extras(extras_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO derived (id, seq) SELECT * FROM jsonb_to_recordset(extras_ -> 'derived') AS d(id uuid, seq bigint);
  INSERT INTO declines (tenant, account, seq) SELECT * FROM jsonb_to_recordset(extras_ -> 'declines') AS d(tenant text, account text, seq bigint);
  IF extras_ ? 'accounts' THEN PERFORM open_accounts(extras_ -> 'accounts'); END IF;
  INSERT INTO refunded AS r (payment, amount, given, reversed)
    SELECT g.payment, g.limit, sum(g.given), bool_or(g.reversal) FROM jsonb_to_recordset(extras_ -> 'refunds') AS g(payment uuid, "limit" numeric, given numeric, reversal boolean)
      GROUP BY g.payment, g.limit ORDER BY g.payment
    ON CONFLICT (payment) DO UPDATE SET given = r.given + excluded.given, reversed = excluded.reversed;
  UPDATE refunded r SET given = r.given - u.given
    FROM (SELECT s.payment, sum(s.given) AS given FROM jsonb_to_recordset(extras_ -> 'undone') AS s(payment uuid, given numeric) GROUP BY s.payment ORDER BY s.payment) u
    WHERE r.payment = u.payment;
  INSERT INTO sagas (id, tenant, workflow, status, wake_at, correlation, created_at, updated_at, seq)
    SELECT s.id, s.tenant, s.workflow, 1, s.at, s.correlation, s.at, s.at, s.seq
      FROM jsonb_to_recordset(extras_ -> 'sagas') AS s(id uuid, tenant text, workflow smallint, correlation text, at timestamptz, seq bigint);
  IF extras_ ? 'facts' THEN PERFORM append_saga_facts(extras_ -> 'facts'); END IF;
  INSERT INTO operator_actions (id, tenant, at, actor, action, subject, reason, before, after, correlation)
    SELECT * FROM jsonb_to_recordset(extras_ -> 'actions')
      AS o(id uuid, tenant text, at timestamptz, actor text, action text, subject text, reason text, before jsonb, after jsonb, correlation text);
  UPDATE dead_letters d SET replayed_as = r.seq, replayed_at = clock_timestamp()
    FROM jsonb_to_recordset(extras_ -> 'replays') AS r(letter bigint, seq bigint) WHERE d.id = r.letter;
  IF extras_ ? 'invoices' THEN PERFORM issue_invoices(extras_ -> 'invoices'); END IF;
  IF extras_ ? 'settlements' THEN PERFORM settle_invoices(extras_ -> 'settlements'); END IF;
  UPDATE parked_orders p SET billed_at = clock_timestamp()
    FROM jsonb_to_recordset(extras_ -> 'released') AS r(parked bigint) WHERE p.id = r.parked;
END $$;

-- Commits a batch whole or not at all. Fixed order inside: rows with their keys, holds, what is rare, fence and
-- predecessor, cut-off, keys of older partitions. So several batches are written side by side, and committed one behind
-- the other.
-- Balances are not touched: they follow from the rows, see fold_journal.
--
-- batch_ follows prior_, the newest batch that memory is built on. Row arrays run in parallel, as do new holds (h_*)
-- and what is taken from holds (t_*); extras_: see apply_extras; null: none. beside_: the batch before may be still
-- being written.
-- Sets are unnested side by side in the select list, which costs a third of what FROM unnest(...) does. Errors: 23505
-- on journal_<n>_key or FL001 a key is used, FL002 fenced, FL004 a record is past its cut-off, FL005 there is no such
-- hold, FL006 a saga or an invoice has gone on otherwise, FL007 a currency takes no new accounts, FL008 the batch is not the
-- successor of the last, 23514 on hold_taken or refund_given: more than there is.
CREATE OR REPLACE FUNCTION commit_batch(
  writer_ int, epoch_ bigint, session_ bigint, cutoff_ timestamptz, batch_ bigint, prior_ bigint,
  debits_ bigint[], credits_ bigint[], debit_prevs_ bigint[], credit_prevs_ bigint[], created_ timestamptz[], ids_ uuid[], keys_ uuid[], requests_ uuid[], follows_ uuid[],
  events_ smallint[], kinds_ smallint[], statuses_ smallint[], apis_ smallint[], ns_ smallint[], postings_ smallint[],
  amounts_ numeric[], helds_ numeric[], debit_afters_ numeric[], credit_afters_ numeric[],
  tenants_ text[], key_texts_ text[], references_ text[], descriptions_ text[], metadatas_ text[], correlations_ text[], made_by_ text[], made_from_ text[], bodies_ text[],
  h_ids_ uuid[], h_debits_ bigint[], h_credits_ bigint[], h_amounts_ numeric[], h_expires_ timestamptz[], h_seqs_ bigint[],
  t_holds_ uuid[], t_captured_ numeric[], t_voided_ numeric[], extras_ jsonb, beside_ boolean
) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
#variable_conflict use_column
DECLARE found_ bigint; older bigint; seen boolean; rows_ bigint; tries int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(batch_);                             -- the batch behind this one, if it is being written already, waits for this
  SELECT w.batch INTO found_ FROM writers w WHERE w.writer = writer_ AND w.epoch = epoch_ AND w.session = session_;
  IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'FL002'; END IF;                -- it would find its places taken
  IF NOT beside_ AND found_ <> prior_ THEN RAISE EXCEPTION 'batch % follows %, and the last is %', batch_, prior_, found_ USING ERRCODE = 'FL008'; END IF;
  INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, key, request, follows, event, kind, status, api, n, postings,
      amount, held, debit_after, credit_after, tenant, key_text, reference, description, metadata, correlation, made_by, made_from, body)
    SELECT (batch_ << 20) + generate_series(0, cardinality(ids_) - 1), unnest(debits_), unnest(credits_), unnest(debit_prevs_), unnest(credit_prevs_), unnest(created_),
      unnest(ids_), unnest(keys_), unnest(requests_), unnest(follows_), unnest(events_), unnest(kinds_), unnest(statuses_), unnest(apis_), unnest(ns_), unnest(postings_),
      unnest(amounts_), unnest(helds_), unnest(debit_afters_), unnest(credit_afters_), unnest(tenants_), unnest(key_texts_), unnest(references_), unnest(descriptions_),
      unnest(metadatas_), unnest(correlations_), unnest(made_by_), unnest(made_from_), unnest(bodies_)::jsonb;

  IF cardinality(h_ids_) > 0 OR cardinality(t_holds_) > 0 THEN
    PERFORM apply_holds(h_ids_, h_debits_, h_credits_, h_amounts_, h_expires_, h_seqs_, t_holds_, t_captured_, t_voided_);
  END IF;
  IF extras_ IS NOT NULL THEN
    PERFORM apply_extras(extras_);
  END IF;

  -- The fence, and the wait for the batch before. It holds its own number until it has ended; if it has not begun yet, it will in a moment.
  IF prior_ >> 24 <> batch_ >> 24 THEN SELECT w.rows INTO rows_ FROM writers w WHERE w.writer = writer_ FOR UPDATE; END IF;
  LOOP
    UPDATE writers SET batch = batch_, rows = cardinality(ids_) + CASE WHEN batch >> 24 = batch_ >> 24 THEN rows ELSE 0 END
      WHERE writer = writer_ AND epoch = epoch_ AND session = session_ AND batch = prior_ AND batch_ > prior_;
    EXIT WHEN FOUND;
    SELECT w.batch INTO found_ FROM writers w WHERE w.writer = writer_ AND w.epoch = epoch_ AND w.session = session_;
    IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'FL002'; END IF;
    IF found_ <> prior_ AND (NOT beside_ OR tries = 20) THEN
      RAISE EXCEPTION 'batch % follows %, and the last is %', batch_, prior_, found_ USING ERRCODE = 'FL008';
    END IF;
    IF tries > 0 THEN PERFORM pg_sleep(0.0005); END IF;
    PERFORM pg_advisory_xact_lock_shared(prior_);
    tries := tries + 1;
  END LOOP;
  IF clock_timestamp() > cutoff_ THEN RAISE EXCEPTION 'past the cut-off' USING ERRCODE = 'FL004'; END IF;   -- after the lock: waiting counts

  IF prior_ >> 24 <> batch_ >> 24 THEN
    UPDATE journal_partitions SET closed_at = clock_timestamp(), last_batch = prior_, rows = rows_ WHERE number = prior_ >> 24 AND number > 0;
    UPDATE journal_partitions SET opened_at = clock_timestamp() WHERE number = batch_ >> 24;
  END IF;

  -- Behind the lock, so that it sees the batch before, which may be in another partition.
  FOR older IN SELECT number FROM journal_partitions WHERE keys AND number < batch_ >> 24 LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE key = ANY ($1))', 'journal_' || older) INTO seen USING keys_;
    IF seen THEN RAISE EXCEPTION 'key used' USING ERRCODE = 'FL001'; END IF;
  END LOOP;
END $$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION apply_holds, append_saga_facts, open_accounts, apply_extras, commit_batch FROM PUBLIC;
