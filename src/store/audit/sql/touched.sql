-- The accounts that the rows of transaction $1 are about.
SELECT a.name
FROM accounts a
WHERE a.id IN (
  SELECT unnest(ARRAY[
    CASE WHEN debit_prev IS NOT NULL THEN debit_account END,
    CASE WHEN credit_prev IS NOT NULL THEN credit_account END
  ])
  FROM journal_transactions((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$1]) p))
  WHERE id = $1
)
ORDER BY a.name
