-- Adds up the rows of account $1 after place $2 and up to $3, as the whole journal has them, which is read for it.
SELECT
  coalesce(-sum(moved) FILTER (WHERE moved < 0), 0) AS debits,
  coalesce(sum(moved) FILTER (WHERE moved > 0), 0) AS credits,
  coalesce(sum(held), 0) AS held,
  count(*) AS rows,
  coalesce(max(seq), 0) AS last
FROM (
  SELECT moved, held, seq FROM account_rows WHERE account = $1
) r
WHERE seq > $2 AND seq <= $3
