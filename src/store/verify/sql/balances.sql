-- Each account's balance, what is held, its version and its newest row are what its rows add up to.
SELECT w.broken, format('account %s of %s', x.name, x.tenant), w.expected, w.found
FROM (
  SELECT a.name, a.tenant, b.*,
    coalesce(r.debits, 0) AS r_debits,
    coalesce(r.credits, 0) AS r_credits,
    coalesce(r.held, 0) AS r_held,
    coalesce(r.rows, 0) AS r_rows,
    coalesce(r.last, 0) AS r_last
  FROM accounts a
  LEFT JOIN balances_now b ON b.account = a.id
  LEFT JOIN (
    SELECT account,
      sum(debit) AS debits, sum(credit) AS credits, sum(held) AS held, count(*) AS rows, max(seq) AS last
    FROM (
      SELECT debit_account AS account, amount AS debit, NULL::numeric AS credit, held, seq
      FROM journal
      WHERE debit_prev IS NOT NULL
      UNION ALL
      SELECT credit_account, NULL, amount, NULL, seq
      FROM journal
      WHERE credit_prev IS NOT NULL
    ) s
    GROUP BY account
  ) r ON r.account = a.id
) x,
LATERAL (VALUES
  (
    'account without balance', account IS NULL,
    format('%s (debits %s, credits %s)', r_credits - r_debits, r_debits, r_credits),
    'no row'
  ),
  (
    'balance', debits <> r_debits OR credits <> r_credits,
    format('%s (debits %s, credits %s)', r_credits - r_debits, r_debits, r_credits),
    format('%s (debits %s, credits %s)', credits - debits, debits, credits)
  ),
  ('held by rows', held <> r_held, r_held || ' held', held || ' held'),
  ('version', version <> r_rows, r_rows || ' rows', 'version ' || version),
  ('newest row', last_seq <> r_last, 'newest row ' || r_last, 'newest row ' || last_seq)
) w(broken, is_broken, expected, found)
WHERE (debits, credits, held, version, last_seq) IS DISTINCT FROM (r_debits, r_credits, r_held, r_rows, r_last)
  AND w.is_broken
