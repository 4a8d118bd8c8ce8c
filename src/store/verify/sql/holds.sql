-- What was taken from a hold is what the captures and voids that follow it took: their postings, and what else is no
-- longer held.
WITH moves AS MATERIALIZED (
  SELECT *
  FROM journal
  WHERE kind IN (:kind_hold, :kind_capture, :kind_void, :kind_payout) AND status = :status_completed
),
steps AS (
  SELECT id,
    (array_agg(follows) FILTER (WHERE n = 0))[1] AS hold,
    max(debit_account) FILTER (WHERE n = 0) AS debit_account,
    max(credit_account) FILTER (WHERE n = 0) AS credit_account,
    coalesce(sum(amount), 0) AS captured,
    -coalesce(sum(held), 0) AS taken
  FROM moves
  WHERE kind IN (:kind_capture, :kind_void)
  GROUP BY id
)
-- What is held on an account is what its open holds add up to.
SELECT 'held', format('account %s of %s', a.name, a.tenant), coalesce(h.open, 0) || ' held', b.held || ' held'
FROM accounts a
JOIN balances_now b ON b.account = a.id
LEFT JOIN (
  SELECT debit_account, sum(amount - captured - voided) AS open
  FROM holds
  GROUP BY debit_account
) h ON h.debit_account = a.id
WHERE b.held <> coalesce(h.open, 0)
UNION ALL
-- Each hold is a transaction and says the same as it; its steps took what it says.
SELECT 'hold', 'hold ' || coalesce(h.id, t.id),
  format(
    'captured %s, voided %s, of %s',
    coalesce(s.captured, 0), coalesce(s.voided, 0),
    CASE
      WHEN t.id IS NULL THEN 'a transaction'
      ELSE format('%s from account %s to %s until %s', t.held, t.debit_account, t.credit_account, t.until)
    END
  ),
  CASE
    WHEN h.id IS NULL THEN 'none'
    ELSE format(
      'captured %s, voided %s, of %s',
      h.captured, h.voided,
      CASE
        WHEN t.id IS NULL THEN 'none'
        ELSE format('%s from account %s to %s until %s', h.amount, h.debit_account, h.credit_account, h.until)
      END
    )
  END
FROM (
  SELECT *, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS until
  FROM holds
) h
FULL JOIN (
  SELECT *, body ->> 'expires_at' AS until
  FROM moves
  WHERE kind IN (:kind_hold, :kind_payout)
) t ON t.id = h.id
LEFT JOIN (
  SELECT hold, sum(captured) AS captured, sum(taken - captured) AS voided
  FROM steps
  GROUP BY hold
) s ON s.hold = h.id
WHERE (h.amount, h.debit_account, h.credit_account, h.until, h.captured, h.voided)
  IS DISTINCT FROM (
    t.held, t.debit_account, t.credit_account, t.until, coalesce(s.captured, 0), coalesce(s.voided, 0)
  )
UNION ALL
-- Each capture and void is of a hold between its accounts.
SELECT 'hold step', 'transaction ' || s.id,
  'a hold of its accounts and no more captured than taken',
  format(
    'captured %s, taken %s of hold %s, %s',
    s.captured, s.taken, coalesce(s.hold::text, 'none'),
    CASE WHEN h.id IS NULL THEN 'which is not there' ELSE 'from ' || h.debit_account END
  )
FROM steps s
LEFT JOIN holds h ON h.id = s.hold
WHERE (
    h.debit_account = s.debit_account AND h.credit_account = s.credit_account AND s.captured <= s.taken
  ) IS NOT TRUE
UNION ALL
-- A hold is listed at the place of its transaction.
SELECT 'hold', 'hold ' || h.id, 'its transaction at row ' || t.seq, 'row ' || h.seq
FROM holds h
JOIN moves t ON t.id = h.id AND t.n = 0
WHERE h.seq <> t.seq
