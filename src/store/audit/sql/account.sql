-- Compares account $2 of tenant $1: the newest $3 rows of its chain, its open holds by their index. It is one statement,
-- so all is as of one moment; older rows never change.
SELECT a.id, a.name, c.exponent,
  b.credits - b.debits AS balance, coalesce(r.posted, 0) AS posted,
  b.held, coalesce(h.open, 0) AS open,
  b.version, r.rows, r.first
FROM balances_of(ARRAY(SELECT id FROM accounts WHERE tenant = $1 AND name = $2)) b
JOIN accounts a ON a.id = b.account
JOIN currencies c ON c.code = a.currency,
LATERAL (
  SELECT sum(CASE a.id WHEN credit_account THEN amount ELSE -amount END) AS posted, count(*) AS rows, min(seq) AS first
  FROM account_history(a.id, 9223372036854775807, $3, false)
) r,
LATERAL (
  SELECT sum(amount - captured - voided) AS open FROM holds WHERE debit_account = a.id
) h
