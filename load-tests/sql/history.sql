-- One batch of an account's history, before all that Florin has written: account $1 pays account $2 one minor unit at a time, $3 times in as many
-- transactions, the first at $4 ms and each next one $5 ms later. Florin must not run meanwhile, or must not have loaded them, and must not have paid
-- from them or to them: their rows would not rise. At most 1,048,576 times: a batch has no more places.
WITH batch AS MATERIALIZED (SELECT nextval('opening_batch') << 20 AS base),
p AS MATERIALIZED (
  SELECT n, base + n AS seq, d.credits - d.debits - n - 1 AS debit_after, c.credits - c.debits + n + 1 AS credit_after,
      CASE n WHEN 0 THEN d.last_seq ELSE base + n - 1 END AS debit_prev, CASE n WHEN 0 THEN c.last_seq ELSE base + n - 1 END AS credit_prev,
      (lpad(to_hex(ms), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid AS id, to_timestamp(ms / 1000.0) AS at, md5('request' || hash)::uuid AS request
    FROM batch, balances d, balances c, (SELECT n, $4::bigint + n * $5::bigint AS ms, md5($4::bigint || ' ' || n) AS hash FROM generate_series(0, $3::bigint - 1) n) s
    WHERE d.account = $1 AND c.account = $2),
balances_ AS (
  UPDATE balances b SET debits = b.debits + CASE b.account WHEN $1 THEN $3 ELSE 0 END, credits = b.credits + CASE b.account WHEN $2 THEN $3 ELSE 0 END,
      version = b.version + $3, last_seq = base + $3 - 1
    FROM batch WHERE b.account IN ($1, $2))
INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, request, kind, status, api, n, postings, amount, debit_after, credit_after, tenant)
  SELECT seq, $1, $2, debit_prev, credit_prev, at, id, request, 2, 1, 2, 0, 1, 1, debit_after, credit_after, 'default' FROM p ORDER BY n
