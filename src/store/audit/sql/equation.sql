-- The sums of all balances of tenant $1, by currency.
SELECT a.currency, c.exponent, count(*) AS accounts, sum(b.credits - b.debits) AS total
FROM accounts a
JOIN balances_now b ON b.account = a.id
JOIN currencies c ON c.code = a.currency
WHERE a.tenant = $1
GROUP BY a.currency, c.exponent
ORDER BY a.currency
