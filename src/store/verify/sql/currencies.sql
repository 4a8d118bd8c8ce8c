-- Debits equal credits in each currency.
SELECT 'currency totals', 'currency ' || a.currency, 'credits ' || sum(b.debits), 'credits ' || sum(b.credits)
FROM accounts a
JOIN balances_now b ON b.account = a.id
GROUP BY a.currency
HAVING sum(b.debits) <> sum(b.credits)
