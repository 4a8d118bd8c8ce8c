-- What is available is not below the floor, or where it stood when the floor was set.
SELECT 'floor', format('account %s of %s', a.name, a.tenant),
  'at least ' || least(b.floor, b.floor_from) || ' available',
  b.credits - b.debits - b.held || ' available'
FROM accounts a
JOIN balances_now b ON b.account = a.id
WHERE b.credits - b.debits - b.held < least(b.floor, b.floor_from)
UNION ALL
-- The balance is not above the ceiling, or where it stood when the ceiling was set.
SELECT 'ceiling', format('account %s of %s', a.name, a.tenant),
  'at most ' || greatest(b.ceiling, b.ceiling_from),
  (b.credits - b.debits)::text
FROM accounts a
JOIN balances_now b ON b.account = a.id
WHERE b.credits - b.debits > greatest(b.ceiling, b.ceiling_from)
UNION ALL
-- A closed account is empty.
SELECT 'closed', format('account %s of %s', a.name, a.tenant),
  '0, 0 held',
  format('%s, %s held', b.credits - b.debits, b.held)
FROM accounts a
JOIN balances_now b ON b.account = a.id
WHERE b.status = :account_closed AND (b.credits <> b.debits OR b.held <> 0)
