-- One chunk of old payments in Florin's tables, as if Florin had written them: account k pays account k + 1 one cent, over and over, so that after
-- each whole turn every balance is what it was. Needs the temporary table `base` (k, account, balance, last_seq). Florin must not run meanwhile.
-- $1 first number, $2 last number, $3 accounts, $4 first sequence number, $5 first moment in ms, $6 span in ms, $7 numbers in all.
WITH p AS MATERIALIZED (
  SELECT s.n, s.hash, d.account AS debit, c.account AS credit, CASE WHEN d.k = 0 THEN d.balance - 1 ELSE d.balance END AS debit_after,
      CASE WHEN c.k = 0 THEN c.balance ELSE c.balance + 1 END AS credit_after,                       -- account 0 pays before it is paid
      CASE WHEN s.n = 0 THEN d.last_seq ELSE $4 + s.n - 1 END AS debit_prev, CASE WHEN s.n + 1 < $3 THEN c.last_seq ELSE $4 + s.n + 1 - $3 END AS credit_prev,
      (lpad(to_hex(s.ms), 12, '0') || '7' || substr(s.hash, 1, 3) || '8' || substr(s.hash, 4, 15))::uuid AS id,
      'large-' || lpad(s.n::text, 10, '0') AS key, to_timestamp(s.ms / 1000.0) AS at
    FROM (SELECT n, md5(n::text) AS hash, $5::bigint + n * $6::bigint / $7::bigint AS ms FROM generate_series($1::bigint, $2::bigint) n) s
      JOIN base d ON d.k = s.n % $3::bigint JOIN base c ON c.k = (s.n + 1) % $3::bigint
    ORDER BY s.n),
transactions_ AS (
  INSERT INTO transactions (id, tenant, api, kind, status, request, key, created_at, first_seq, last_seq)
    SELECT id, 'default', 1, 1, 1, md5('request' || n)::uuid, key, at, $4 + n, $4 + n FROM p ORDER BY n),
keys_ AS (                                                                                           -- the key's hash as Florin makes it
  INSERT INTO keys_even (key, transaction, request, status)
    SELECT encode(substring(sha256('\x0100000000000000'::bytea || '\x01'::bytea || '\x0700000000000000'::bytea || 'default'::bytea
      || '\x1000000000000000'::bytea || convert_to(key, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid, id, md5('request' || n)::uuid, 1 FROM p ORDER BY n),
balances_ AS (
  UPDATE balances b SET debits = b.debits + ($2 - $1 + 1) / $3, credits = b.credits + ($2 - $1 + 1) / $3, version = b.version + 1,
      last_seq = $4 + CASE WHEN base.k = 0 THEN $2 ELSE $2 + 1 - $3 + base.k END
    FROM base WHERE b.account = base.account)
INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at, debit_prev, credit_prev)
  SELECT id, 0, $4 + n, debit, credit, 1, debit_after, credit_after, at, debit_prev, credit_prev FROM p ORDER BY n
