-- The money of each currency, over all accounts.
SELECT a.currency, c.exponent, count(*), sum(b.debits), sum(b.credits)
FROM accounts a
JOIN balances_now b ON b.account = a.id
JOIN currencies c ON c.code = a.currency
GROUP BY a.currency, c.exponent
ORDER BY a.currency
