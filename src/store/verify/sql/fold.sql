-- The fold stands within the journal.
SELECT 'fold', 'balances', 'folded up to row ' || t.tip || ' at most', 'folded up to row ' || f.seq
FROM folded f, (SELECT greatest(journal_tip(), (1::bigint << 44) - 1) AS tip) t
WHERE f.seq > t.tip
UNION ALL
-- Accounts in quarantine are findings until they are released.
SELECT 'quarantine',
  format(
    'account %s of %s, behind row %s',
    coalesce(a.name, q.account::text), coalesce(a.tenant, 'nobody'), q.first_seq
  ),
  q.expected, q.found
FROM quarantine q
LEFT JOIN accounts a ON a.id = q.account
WHERE q.released_at IS NULL
UNION ALL
-- Status, floor and ceiling are those of the last change.
SELECT 'guards', format('account %s of %s', a.name, a.tenant),
  format(
    'status %s, floor %s, ceiling %s',
    g.set ->> 'status', coalesce(g.set ->> 'floor', 'none'), coalesce(g.set ->> 'ceiling', 'none')
  ),
  format(
    'status %s, floor %s, ceiling %s',
    b.status, coalesce(b.floor::text, 'none'), coalesce(b.ceiling::text, 'none')
  )
FROM (
  SELECT DISTINCT ON (debit_account) debit_account AS account, body -> 'set' AS set
  FROM journal
  WHERE kind = :kind_account_change AND status = :status_completed AND n = 0
  ORDER BY debit_account, seq DESC
) g
JOIN balances_now b ON b.account = g.account
JOIN accounts a ON a.id = b.account
WHERE (b.status::text, b.floor::text, b.ceiling::text)
  IS DISTINCT FROM (g.set ->> 'status', g.set ->> 'floor', g.set ->> 'ceiling')
