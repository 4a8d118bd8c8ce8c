-- Adds up the rows of account $1 after place $2 and up to $3, as its chain leads through them.
SELECT
  coalesce(-sum(moved) FILTER (WHERE moved < 0), 0) AS debits,
  coalesce(sum(moved) FILTER (WHERE moved > 0), 0) AS credits,
  coalesce(sum(held), 0) AS held,
  count(*) AS rows,
  coalesce(max(seq), 0) AS last
FROM (
  SELECT
    CASE $1 WHEN credit_account THEN coalesce(amount, 0) ELSE coalesce(-amount, 0) END AS moved,
    CASE $1 WHEN debit_account THEN coalesce(held, 0) ELSE 0 END AS held,
    seq
  FROM account_history($1, 9223372036854775807, 9223372036854775807, false)
) r
WHERE seq > $2 AND seq <= $3
