-- Adds up those of account $1's rows that are not after place $4: of the $3 rows before the one at place $2, as its chain
-- leads through them.
SELECT
  coalesce(-sum(moved) FILTER (WHERE moved < 0), 0) AS debits,
  coalesce(sum(moved) FILTER (WHERE moved > 0), 0) AS credits,
  coalesce(sum(held), 0) AS held,
  count(*) FILTER (WHERE seq <= $4) AS rows,
  coalesce(max(seq), 0) AS last,
  count(*) AS walked,
  min(walked_seq) AS first
FROM (
  SELECT
    CASE WHEN seq > $4 THEN 0 WHEN $1 = credit_account THEN coalesce(amount, 0) ELSE coalesce(-amount, 0) END AS moved,
    CASE WHEN seq <= $4 AND $1 = debit_account THEN coalesce(held, 0) ELSE 0 END AS held,
    CASE WHEN seq <= $4 THEN seq END AS seq,
    seq AS walked_seq
  FROM account_history($1, $2, $3, false)
) r
