-- The fold: balances follow from the journal. They are recomputed here from amounts alone, in order, up to a place.
-- What memory believed when it laid the rows out (the balance after each, the link to the account's row before) is
-- tested against that. An account that does not agree is put into quarantine: it is not folded any further.

-- Adds to balances what a part of the journal comes to, by account, where links and balances after agree; answers how
-- many it changed. guards_: the last change of status and limits, if there is one. With careful_ it leaves out those
-- that would break their limits, for which it else fails (23514). A function of its own, as apply_holds.
CREATE OR REPLACE FUNCTION fold_accounts(
  accounts_ bigint[], debits_ numeric[], credits_ numeric[], helds_ numeric[], rows_ int[], lasts_ bigint[], priors_ bigint[], links_ bigint[], guards_ jsonb[], careful_ boolean
) RETURNS bigint LANGUAGE plpgsql SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE changed bigint; guarded bigint;
BEGIN
  UPDATE balances b SET debits = b.debits + s.d, credits = b.credits + s.c, held = b.held + s.h, version = b.version + s.r, last_seq = s.l, spare = NULL
    FROM (SELECT unnest(accounts_) AS a, unnest(debits_) AS d, unnest(credits_) AS c, unnest(helds_) AS h, unnest(rows_) AS r, unnest(lasts_) AS l, unnest(priors_) AS p,
            unnest(links_) AS k, unnest(guards_) AS g) s
    WHERE b.account = s.a AND b.last_seq = s.p AND s.g IS NULL
      AND s.k = (hash_numeric_extended(b.credits - b.debits + s.c - s.d, s.l) # hash_numeric_extended(b.credits - b.debits, s.p))
      AND (NOT careful_ OR ((b.credits + s.c - b.debits - s.d - b.held - s.h >= least(b.floor, b.floor_from)) IS NOT FALSE
        AND (b.credits + s.c - b.debits - s.d <= greatest(b.ceiling, b.ceiling_from)) IS NOT FALSE
        AND b.held + s.h >= 0 AND abs(b.credits + s.c - b.debits - s.d) < 1e28 AND (b.status < 3 OR (b.credits + s.c = b.debits + s.d AND b.held + s.h = 0))));
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF array_remove(guards_, NULL) = '{}' THEN RETURN changed; END IF;
  UPDATE balances b SET debits = b.debits + s.d, credits = b.credits + s.c, held = b.held + s.h, version = b.version + s.r, last_seq = s.l, spare = NULL,
      status = (s.g ->> 'status')::smallint, floor = (s.g ->> 'floor')::numeric, floor_from = (s.g ->> 'floor_from')::numeric,
      ceiling = (s.g ->> 'ceiling')::numeric, ceiling_from = (s.g ->> 'ceiling_from')::numeric
    FROM (SELECT unnest(accounts_) AS a, unnest(debits_) AS d, unnest(credits_) AS c, unnest(helds_) AS h, unnest(rows_) AS r, unnest(lasts_) AS l, unnest(priors_) AS p,
            unnest(links_) AS k, unnest(guards_) AS g) s
    WHERE b.account = s.a AND b.last_seq = s.p AND s.g IS NOT NULL
      AND s.k = (hash_numeric_extended(b.credits - b.debits + s.c - s.d, s.l) # hash_numeric_extended(b.credits - b.debits, s.p))
      AND (NOT careful_ OR ((b.credits + s.c - b.debits - s.d - b.held - s.h >= least((s.g ->> 'floor')::numeric, (s.g ->> 'floor_from')::numeric)) IS NOT FALSE
        AND (b.credits + s.c - b.debits - s.d <= greatest((s.g ->> 'ceiling')::numeric, (s.g ->> 'ceiling_from')::numeric)) IS NOT FALSE
        AND b.held + s.h >= 0 AND abs(b.credits + s.c - b.debits - s.d) < 1e28 AND ((s.g ->> 'status')::int < 3 OR (b.credits + s.c = b.debits + s.d AND b.held + s.h = 0))));
  GET DIAGNOSTICS guarded = ROW_COUNT;
  RETURN changed + guarded;
END $$;

-- Folds the next part of the journal: whole batches, about rows_ rows, within one partition. Answers the place that it
-- came to, the last there is, how many accounts it changed, how many it put into quarantine, and who is in there.
CREATE OR REPLACE FUNCTION fold_journal(rows_ bigint, OUT place bigint, OUT tip bigint, OUT changed bigint, OUT suspects bigint, OUT quarantined bigint[]) LANGUAGE plpgsql
SET jit = off SET work_mem = '64MB' SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
  from_ bigint; p bigint; beyond bigint; acc bigint[]; deb numeric[]; cre numeric[]; hel numeric[]; cnt int[]; las bigint[]; pri bigint[]; lin bigint[]; lst bigint[]; sets jsonb[];
BEGIN
  SELECT seq INTO from_ FROM folded FOR UPDATE;
  tip := greatest(journal_tip(), from_);
  p := (from_ + 1) >> 44;
  changed := 0; suspects := 0; place := from_;
  SELECT coalesce(array_agg(account), '{}') INTO quarantined FROM quarantine WHERE released_at IS NULL;
  IF tip <= from_ THEN RETURN; END IF;
  place := least(tip, ((p + 1) << 44) - 1);
  EXECUTE format('SELECT seq FROM %I WHERE seq > $1 AND seq <= $3 ORDER BY seq OFFSET $2 LIMIT 1', 'journal_' || p) INTO beyond USING from_, rows_, place;
  IF beyond IS NOT NULL THEN
    place := CASE WHEN (beyond >> 20) << 20 > from_ + 1 THEN ((beyond >> 20) << 20) - 1 ELSE least(place, (((beyond >> 20) + 1) << 20) - 1) END;
  END IF;

  -- By account: what it moved, how many rows are about it, the first link, the last place, the last change of its guards. Links and balances after agree if each row's place and
  -- balance are the next row's link and the balance before it: then all but the two ends cancel out.
  EXECUTE format('SELECT array_agg(account), array_agg(d), array_agg(c), array_agg(h), array_agg(n), array_agg(last), array_agg(prior), array_agg(link), array_agg(set_at) FROM ('
    'SELECT account, coalesce(sum(d), 0) AS d, coalesce(sum(c), 0) AS c, coalesce(sum(h), 0) AS h, count(*)::int AS n, max(seq) AS last, min(prev) AS prior, max(set_at) AS set_at, '
      'bit_xor(hash_numeric_extended(after, seq)) # bit_xor(hash_numeric_extended(after + coalesce(d, 0) - coalesce(c, 0), prev)) AS link FROM ('
      'SELECT debit_account AS account, amount AS d, NULL::numeric AS c, held AS h, debit_after AS after, debit_prev AS prev, seq, CASE kind WHEN 20 THEN seq END AS set_at '
        'FROM %1$I WHERE seq > $1 AND seq <= $2 AND debit_prev IS NOT NULL '
      'UNION ALL SELECT credit_account, NULL, amount, NULL, credit_after, credit_prev, seq, NULL FROM %1$I WHERE seq > $1 AND seq <= $2 AND credit_prev IS NOT NULL) e '
    'GROUP BY account ORDER BY account) s WHERE account <> ALL ($3)', 'journal_' || p)
    INTO acc, deb, cre, hel, cnt, las, pri, lin, lst USING from_, place, quarantined;

  IF acc IS NOT NULL THEN
    IF array_remove(lst, NULL) <> '{}' THEN
      SELECT array_agg(j.body -> 'set' ORDER BY u.o) INTO sets FROM unnest(lst) WITH ORDINALITY AS u(s, o) LEFT JOIN journal_at(array_remove(lst, NULL)) j ON j.seq = u.s;
    ELSE
      sets := array_fill(NULL::jsonb, ARRAY[cardinality(acc)]);
    END IF;
    BEGIN
      changed := fold_accounts(acc, deb, cre, hel, cnt, las, pri, lin, sets, false);
    EXCEPTION WHEN check_violation THEN
      changed := fold_accounts(acc, deb, cre, hel, cnt, las, pri, lin, sets, true);
    END;
    IF changed <> cardinality(acc) THEN
      INSERT INTO quarantine (account, first_seq, reason, expected, found)
        SELECT s.a, from_, CASE WHEN b.account IS NULL THEN 'no such account' WHEN b.last_seq <> s.p THEN 'link'
            WHEN s.k IS DISTINCT FROM (hash_numeric_extended(b.credits - b.debits + s.c - s.d, s.l) # hash_numeric_extended(b.credits - b.debits, s.p)) THEN 'balance after' ELSE 'limits' END,
          CASE WHEN b.account IS NULL THEN 'an account' WHEN b.last_seq <> s.p THEN 'behind row ' || b.last_seq ELSE format('balance %s, %s held', b.credits - b.debits + s.c - s.d, b.held + s.h) END,
          CASE WHEN b.last_seq <> s.p THEN 'behind row ' || s.p
            ELSE coalesce((SELECT 'balance ' || CASE s.a WHEN j.debit_account THEN j.debit_after ELSE j.credit_after END FROM journal_at(ARRAY[s.l]) j), 'nothing') END
        FROM (SELECT unnest(acc) AS a, unnest(deb) AS d, unnest(cre) AS c, unnest(hel) AS h, unnest(las) AS l, unnest(pri) AS p, unnest(lin) AS k) s LEFT JOIN balances b ON b.account = s.a
        WHERE b.account IS NULL OR b.last_seq <> s.l;
      GET DIAGNOSTICS suspects = ROW_COUNT;
      SELECT coalesce(array_agg(account), '{}') INTO quarantined FROM quarantine WHERE released_at IS NULL;
    END IF;
  END IF;
  UPDATE folded SET seq = place, at = clock_timestamp();
END $$;

-- What stands in the journal behind the fold, by account: a row for each side that changes one. Null: of all accounts;
-- those in quarantine are left out.
CREATE OR REPLACE FUNCTION journal_tail(accounts_ bigint[]) RETURNS TABLE (account bigint, seq bigint, debit numeric, credit numeric, held numeric, guards jsonb) LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE p bigint; from_ bigint; upto_ bigint := journal_tip(); out_ bigint[];
BEGIN
  SELECT f.seq INTO from_ FROM folded f;
  IF upto_ <= from_ THEN RETURN; END IF;
  SELECT coalesce(array_agg(q.account), '{}') INTO out_ FROM quarantine q WHERE q.released_at IS NULL;
  FOR p IN SELECT number FROM journal_partitions WHERE opened_at IS NOT NULL AND number >= (from_ + 1) >> 44 AND number <= upto_ >> 44 LOOP
    RETURN QUERY EXECUTE format('SELECT debit_account, seq, coalesce(amount, 0), 0::numeric, coalesce(held, 0), CASE kind WHEN 20 THEN body -> ''set'' END FROM %1$I '
        'WHERE seq > $1 AND seq <= $2 AND debit_prev IS NOT NULL AND ($3 IS NULL OR debit_account = ANY ($3)) AND debit_account <> ALL ($4) '
      'UNION ALL SELECT credit_account, seq, 0, coalesce(amount, 0), 0, NULL FROM %1$I '
        'WHERE seq > $1 AND seq <= $2 AND credit_prev IS NOT NULL AND ($3 IS NULL OR credit_account = ANY ($3)) AND credit_account <> ALL ($4)', 'journal_' || p)
      USING from_, upto_, accounts_, out_;
  END LOOP;
END $$;

-- Balances to this moment: what is folded, and what stands behind it in the journal. Of all accounts; see balances_of
-- for a few.
CREATE OR REPLACE VIEW balances_now AS
  SELECT b.account, coalesce(t.last_seq, b.last_seq) AS last_seq, b.version + coalesce(t.rows, 0) AS version, b.debits + coalesce(t.debits, 0) AS debits,
      b.credits + coalesce(t.credits, 0) AS credits, b.held + coalesce(t.held, 0) AS held,
      CASE WHEN t.guards IS NULL THEN b.floor ELSE (t.guards ->> 'floor')::numeric END AS floor, CASE WHEN t.guards IS NULL THEN b.ceiling ELSE (t.guards ->> 'ceiling')::numeric END AS ceiling,
      CASE WHEN t.guards IS NULL THEN b.floor_from ELSE (t.guards ->> 'floor_from')::numeric END AS floor_from,
      CASE WHEN t.guards IS NULL THEN b.ceiling_from ELSE (t.guards ->> 'ceiling_from')::numeric END AS ceiling_from, coalesce((t.guards ->> 'status')::smallint, b.status) AS status
    FROM balances b LEFT JOIN (
      SELECT account, max(seq) AS last_seq, count(*) AS rows, sum(debit) AS debits, sum(credit) AS credits, sum(held) AS held,
          (array_agg(guards ORDER BY seq DESC) FILTER (WHERE guards IS NOT NULL))[1] AS guards
        FROM journal_tail(NULL) GROUP BY account) t ON t.account = b.account;

-- The same of these accounts.
CREATE OR REPLACE FUNCTION balances_of(accounts_ bigint[]) RETURNS SETOF balances_now LANGUAGE sql STABLE AS $$
  SELECT b.account, coalesce(t.last_seq, b.last_seq), b.version + coalesce(t.rows, 0), b.debits + coalesce(t.debits, 0), b.credits + coalesce(t.credits, 0), b.held + coalesce(t.held, 0),
      CASE WHEN t.guards IS NULL THEN b.floor ELSE (t.guards ->> 'floor')::numeric END, CASE WHEN t.guards IS NULL THEN b.ceiling ELSE (t.guards ->> 'ceiling')::numeric END,
      CASE WHEN t.guards IS NULL THEN b.floor_from ELSE (t.guards ->> 'floor_from')::numeric END, CASE WHEN t.guards IS NULL THEN b.ceiling_from ELSE (t.guards ->> 'ceiling_from')::numeric END,
      coalesce((t.guards ->> 'status')::smallint, b.status)
    FROM unnest(accounts_) a JOIN balances b ON b.account = a LEFT JOIN (
      SELECT account, max(seq) AS last_seq, count(*) AS rows, sum(debit) AS debits, sum(credit) AS credits, sum(held) AS held,
          (array_agg(guards ORDER BY seq DESC) FILTER (WHERE guards IS NOT NULL))[1] AS guards
        FROM journal_tail(accounts_) GROUP BY account) t ON t.account = b.account
$$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION fold_accounts, fold_journal, journal_tail, balances_of FROM PUBLIC;
