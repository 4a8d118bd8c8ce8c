-- What the journal has of an account, and of a key.

-- An account's rows, newest first: from the newest, or from the one before the row at `below_`, which must be one of
-- the account's. With only_postings_ those that post nothing are passed over. A chain that breaks off is an error, not
-- an end.
CREATE OR REPLACE FUNCTION account_history(account_ bigint, below_ bigint, limit_ bigint, only_postings_ boolean) RETURNS SETOF journal LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE at bigint; row_ journal; left_ bigint := limit_; before_ bigint;
BEGIN
  IF below_ = 9223372036854775807 THEN
    SELECT last_seq INTO at FROM balances_of(ARRAY[account_]);
  ELSE
    SELECT CASE account_ WHEN debit_account THEN debit_prev WHEN credit_account THEN credit_prev END INTO at FROM journal_at(ARRAY[below_]);
  END IF;
  WHILE at > 0 AND left_ > 0 LOOP
    before_ := at;
    -- The chain as far as it stays in this partition: each step is one look-up by place.
    FOR row_ IN EXECUTE format(
      'WITH RECURSIVE walk AS (SELECT j.* FROM %1$I j WHERE j.seq = $1 '
      'UNION ALL SELECT j.* FROM walk w, LATERAL (SELECT * FROM %1$I j WHERE j.seq = CASE $2 WHEN w.debit_account THEN w.debit_prev ELSE w.credit_prev END OFFSET 0) j) '
      'SELECT * FROM walk', 'journal_' || (at >> 44)) USING at, account_
    LOOP
      before_ := row_.seq;
      at := CASE account_ WHEN row_.debit_account THEN row_.debit_prev WHEN row_.credit_account THEN row_.credit_prev END;
      EXIT WHEN at IS NULL;
      IF row_.amount IS NOT NULL OR NOT only_postings_ THEN
        RETURN NEXT row_;
        left_ := left_ - 1;
        EXIT WHEN left_ = 0;
      END IF;
    END LOOP;
    IF at IS NULL OR at = before_ THEN RAISE EXCEPTION 'row % of account % is not there', before_, account_ USING ERRCODE = 'P0002'; END IF;
  END LOOP;
END $$;

-- An account's postings, as its history.
CREATE OR REPLACE FUNCTION account_postings(account_ bigint, below_ bigint, limit_ bigint) RETURNS SETOF journal LANGUAGE sql STABLE AS $$
  SELECT * FROM account_history(account_, below_, limit_, true)
$$;

-- Which of these keys are used, as far as keys are remembered, and for what: by the caller's key, or by the
-- transaction's own id.
CREATE OR REPLACE FUNCTION used_keys(keys_ uuid[]) RETURNS TABLE (key uuid, transaction uuid, request uuid, status smallint, created_at timestamptz) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE p bigint;
BEGIN
  FOR p IN SELECT number FROM journal_partitions WHERE keys AND opened_at IS NOT NULL LOOP
    RETURN QUERY EXECUTE format('SELECT j.key, j.id, j.request, j.status, j.created_at FROM %I j WHERE j.key = ANY ($1)', 'journal_' || p) USING keys_;
  END LOOP;
  RETURN QUERY SELECT j.id, j.id, j.request, j.status, j.created_at FROM journal_at((SELECT coalesce(array_agg(p.seq), '{}') FROM journal_places(keys_) p)) j WHERE j.key IS NULL AND j.request IS NOT NULL;
END $$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION account_history, account_postings, used_keys FROM PUBLIC;
