-- The balance after each row is what the rows up to it add up to, and each row names the account's row before it. One
-- wrong row puts all later ones of its account out by the same: only where the difference changes is a finding. Rows of
-- an account that was in quarantine and was released are known to be wrong.
SELECT
  CASE WHEN r.previous <> r.before THEN 'chain' ELSE 'balance after' END,
  format(
    'account %s at row %s, transaction %s',
    coalesce(a.name, r.account::text), lpad(r.seq::text, 20, '0'), r.transaction
  ),
  CASE WHEN r.previous <> r.before THEN 'after row ' || r.before ELSE r.running::text END,
  CASE WHEN r.previous <> r.before THEN 'after row ' || r.previous ELSE r.balance_after::text END
FROM (
  SELECT *, lag(running - balance_after, 1, 0) OVER (PARTITION BY account ORDER BY seq) AS off_before
  FROM (
    SELECT account, seq, transaction, balance_after, previous,
      lag(seq, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS before,
      sum(moved) OVER (PARTITION BY account ORDER BY seq ROWS UNBOUNDED PRECEDING) AS running
    FROM account_rows
  ) e
) r
LEFT JOIN accounts a ON a.id = r.account
WHERE (
    r.previous <> r.before
    OR (r.running <> r.balance_after AND r.running - r.balance_after <> r.off_before)
  )
  AND NOT EXISTS (
    SELECT FROM quarantine q WHERE q.account = r.account AND r.seq > q.first_seq AND r.seq <= q.last_seq
  )
