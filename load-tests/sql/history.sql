-- One batch of an account's history, as if Florin had written it: account $1 pays account $2 one minor unit at a time, $3 times in as many transactions,
-- the first at $4 ms and each next one $5 ms later. Florin must not run meanwhile, or must not have loaded them. At most 1,048,575 times: a batch has no
-- more places.
WITH batch AS MATERIALIZED (SELECT nextval('batch_seq') * 1048576 AS base),
p AS MATERIALIZED (
  SELECT n, base + n AS seq, d.credits - d.debits - n AS debit_after, c.credits - c.debits + n AS credit_after,
      CASE n WHEN 1 THEN d.last_seq ELSE base + n - 1 END AS debit_prev, CASE n WHEN 1 THEN c.last_seq ELSE base + n - 1 END AS credit_prev,
      (lpad(to_hex(ms), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid AS id, to_timestamp(ms / 1000.0) AS at, md5('request' || hash)::uuid AS request
    FROM batch, balances d, balances c, (SELECT n, $4::bigint + (n - 1) * $5::bigint AS ms, md5($4::bigint || ' ' || n) AS hash FROM generate_series(1, $3::bigint) n) s
    WHERE d.account = $1 AND c.account = $2),
transactions_ AS (
  INSERT INTO transactions (id, tenant, api, kind, status, request, created_at, first_seq, last_seq)
    SELECT id, 'default', 2, 2, 1, request, at, seq, seq FROM p ORDER BY n),
balances_ AS (
  UPDATE balances b SET debits = b.debits + CASE b.account WHEN $1 THEN $3 ELSE 0 END, credits = b.credits + CASE b.account WHEN $2 THEN $3 ELSE 0 END,
      version = b.version + 1, prior_seq = b.last_seq, last_seq = base + $3
    FROM batch WHERE b.account IN ($1, $2))
INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at, debit_prev, credit_prev)
  SELECT id, 0, seq, $1, $2, 1, debit_after, credit_after, at, debit_prev, credit_prev FROM p ORDER BY n
