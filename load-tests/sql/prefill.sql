-- One chunk of payments in the journal, as Florin would have written them: account k pays account k + 1 one cent, over and over, so that after each
-- whole turn every balance is what it was. Needs the temporary table `base` (k, account). Florin must not run meanwhile. Of each batch one payment
-- has an event: the publisher must get through them all, and not tell them all.
-- $1 first number, $2 how many, whole turns, $3 accounts, $4 first batch, $5 payments of a batch, $6 first moment in ms, $7 span in ms.
WITH accounts_ AS MATERIALIZED (SELECT k, b.account, b.credits - b.debits AS balance, b.last_seq FROM base JOIN balances b ON b.account = base.account),
p AS MATERIALIZED (
  SELECT s.n, s.i, (($4 + s.i / $5) << 20) + s.i % $5 AS seq, d.account AS debit, c.account AS credit,
      CASE WHEN d.k = 0 THEN d.balance - 1 ELSE d.balance END AS debit_after, CASE WHEN c.k = 0 THEN c.balance ELSE c.balance + 1 END AS credit_after, -- account 0 pays before it is paid
      CASE WHEN s.i = 0 THEN d.last_seq ELSE (($4 + (s.i - 1) / $5) << 20) + (s.i - 1) % $5 END AS debit_prev,
      CASE WHEN s.i + 1 < $3 THEN c.last_seq ELSE (($4 + (s.i + 1 - $3) / $5) << 20) + (s.i + 1 - $3) % $5 END AS credit_prev,
      (lpad(to_hex(s.ms), 12, '0') || '7' || substr(s.hash, 1, 3) || '8' || substr(s.hash, 4, 15))::uuid AS id,
      'large-' || lpad(s.n::text, 10, '0') AS key, to_timestamp(s.ms / 1000.0) AS at
    FROM (SELECT i, $1 + i AS n, md5(($1 + i)::text) AS hash, $6::bigint + i * $7::bigint / $2::bigint AS ms FROM generate_series(0, $2::bigint - 1) i) s
      JOIN accounts_ d ON d.k = s.i % $3::bigint JOIN accounts_ c ON c.k = (s.i + 1) % $3::bigint),
balances_ AS (
  UPDATE balances b SET debits = b.debits + $2 / $3, credits = b.credits + $2 / $3, version = b.version + 2 * ($2 / $3), last_seq = l.seq
    FROM (SELECT account, (($4 + i / $5) << 20) + i % $5 AS seq FROM (SELECT account, CASE WHEN k = 0 THEN $2 - 1 ELSE $2 - $3 + k END AS i FROM base) i) l WHERE b.account = l.account),
closed_ AS (
  UPDATE journal_partitions p SET closed_at = clock_timestamp(), rows = w.rows, last_batch = w.batch FROM writers w WHERE p.number = w.batch >> 24 AND p.number > 0 AND p.number <> $4 >> 24),
opened_ AS (UPDATE journal_partitions SET opened_at = clock_timestamp() WHERE number = $4 >> 24 AND opened_at IS NULL),
folded_ AS (UPDATE folded SET seq = (($4 + ($2 - 1) / $5 + 1) << 20) - 1),
writers_ AS (UPDATE writers SET batch = $4 + ($2 - 1) / $5, rows = $2 + CASE WHEN batch >> 24 = $4 >> 24 THEN rows ELSE 0 END)
INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, key, request, event, kind, status, api, n, postings, amount, debit_after,
    credit_after, tenant, key_text)
  SELECT seq, debit, credit, debit_prev, credit_prev, at, id,                                          -- the key's hash as Florin makes it
      encode(substring(sha256('\x0100000000000000'::bytea || '\x01'::bytea || '\x0700000000000000'::bytea || 'default'::bytea
        || '\x1000000000000000'::bytea || convert_to(key, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid,
      md5('request' || n)::uuid, CASE i % $5 WHEN 0 THEN 1 END, 1, 1, 1, 0, 1, 1, debit_after, credit_after, 'default', key
    FROM p ORDER BY i
