-- Selects the accounts of tenant $1 that disagree, at most $2, each with how many there are. The whole journal is read.
SELECT count(*) OVER () AS disagreeing, a.name, c.exponent,
  b.credits - b.debits AS balance, coalesce(r.posted, 0) AS posted,
  b.held, coalesce(h.open, 0) AS open,
  b.version, coalesce(r.rows, 0) AS rows
FROM accounts a
JOIN balances_now b ON b.account = a.id
JOIN currencies c ON c.code = a.currency
LEFT JOIN (
  SELECT account, sum(moved) AS posted, count(*) AS rows FROM account_rows GROUP BY account
) r ON r.account = a.id
LEFT JOIN (
  SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account
) h ON h.debit_account = a.id
WHERE a.tenant = $1
  AND (b.credits - b.debits, b.held, b.version)
    IS DISTINCT FROM (coalesce(r.posted, 0), coalesce(h.open, 0), coalesce(r.rows, 0))
ORDER BY a.id
LIMIT $2
