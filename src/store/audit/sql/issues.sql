-- Selects transactions of tenant $1 and what is wrong with each, by id, at most $3; $2 are the kinds without postings.
-- What stands in braces are the rows to compare, those that may follow them, and those that may stand before them.
WITH written AS MATERIALIZED (
  SELECT *,
    CASE WHEN body ->> 'gave' ~ '^[0-9]{1,28}$' THEN (body ->> 'gave')::numeric END AS gave,
    CASE WHEN key_text IS NOT NULL THEN
{key_hash}
    END AS hash
  FROM {rows} w
  WHERE tenant = $1 AND status <= :status_declined AND kind <= :kind_account_change
),
wanted AS (
  SELECT * FROM written WHERE n = 0
),
sums AS (
  SELECT id, count(*) AS n, sum(amount) AS amount
  FROM written
  WHERE amount IS NOT NULL
  GROUP BY id
),
sides AS (
  SELECT id, n, debit_account AS account, coalesce(-amount, 0) AS moved, debit_after AS after, debit_prev AS prev
  FROM written
  WHERE debit_prev IS NOT NULL OR amount IS NOT NULL
  UNION ALL
  SELECT id, n, credit_account, coalesce(amount, 0), credit_after, credit_prev
  FROM written
  WHERE credit_prev IS NOT NULL OR amount IS NOT NULL
),
chained AS (
  SELECT s.*,
    CASE
      WHEN s.prev = 0 THEN 0
      WHEN q.debit_account = s.account THEN q.debit_after
      WHEN q.credit_account = s.account THEN q.credit_after
    END AS before
  FROM sides s
  LEFT JOIN {before} q ON q.seq = s.prev
),
steps AS (
  SELECT id, min(kind) AS kind,
    (array_agg(follows) FILTER (WHERE n = 0))[1] AS follows,
    coalesce(sum(amount), 0) AS posted,
    -coalesce(sum(held), 0) AS taken,
    max(CASE WHEN body ->> 'gave' ~ '^[0-9]{1,28}$' THEN (body ->> 'gave')::numeric END) AS gave
  FROM {following} f
  WHERE kind IN (:kind_refund, :kind_capture, :kind_void, :kind_reversal) AND status = :status_completed
  GROUP BY id
),
issues(id, issue) AS (
  -- Its postings are all there.
  SELECT w.id, format('%s postings are there, of %s', coalesce(s.n, 0), w.postings)
  FROM wanted w
  LEFT JOIN sums s USING (id)
  WHERE coalesce(s.n, 0) <> w.postings
  UNION ALL
  -- What was declined posts nothing.
  SELECT w.id, 'it was declined, and has postings'
  FROM wanted w
  JOIN sums USING (id)
  WHERE w.status = :status_declined
  UNION ALL
  -- It has postings if its kind moves money.
  SELECT w.id,
    CASE
      WHEN s.id IS NULL THEN 'it moves money, and has no postings'
      ELSE 'it moves no money, and has postings'
    END
  FROM wanted w
  LEFT JOIN sums s USING (id)
  WHERE w.status = :status_completed AND (s.id IS NULL) <> (w.kind = ANY ($2))
  UNION ALL
  -- A posting is between two accounts of the tenant, in one currency.
  SELECT p.id, format('posting %s is not between two accounts of one currency', p.n)
  FROM written p
  LEFT JOIN accounts d ON d.id = p.debit_account
  LEFT JOIN accounts c ON c.id = p.credit_account
  WHERE p.amount IS NOT NULL
    AND (d.id <> c.id AND d.currency = c.currency AND d.tenant = $1 AND c.tenant = $1) IS NOT TRUE
  UNION ALL
  -- An amount is above zero.
  SELECT id, format('the amount of posting %s is %s', n, amount)
  FROM written
  WHERE amount <= 0
  UNION ALL
  -- The balance after a row is that before it and what it moves.
  SELECT c.id,
    format(
      'row %s leaves account %s with %s, the chain comes to %s',
      c.n, coalesce(a.name, c.account::text), c.after,
      coalesce((c.before + c.moved)::text, 'nothing: the row before it is missing')
    )
  FROM chained c
  LEFT JOIN accounts a ON a.id = c.account
  WHERE (c.before + c.moved = c.after) IS NOT TRUE
  UNION ALL
  -- Its key is the hash of what it was called by. Partition 0 has none.
  SELECT id,
    format(
      'its key is %s, of what it was called by comes %s',
      coalesce(key::text, 'none'), coalesce(encode(hash, 'hex')::uuid::text, 'none')
    )
  FROM wanted
  WHERE CASE
      WHEN seq >> 44 = 0 OR hash IS NULL THEN key IS NOT NULL
      WHEN key IS NULL THEN status = :status_completed
      ELSE uuid_send(key) <> hash
    END
  UNION ALL
  -- A refund gives back what it posts, a reversal the whole payment; both of a payment that knows of it.
  SELECT w.id,
    format(
      'it gives back %s of payment %s, its postings come to %s',
      coalesce(w.gave::text, 'nothing'), coalesce(w.follows::text, 'none'), coalesce(s.amount, 0)
    )
  FROM wanted w
  LEFT JOIN sums s USING (id)
  LEFT JOIN refunded f ON f.payment = w.follows
  WHERE w.status = :status_completed
    AND (w.gave IS NOT NULL OR w.kind = :kind_reversal OR (w.kind = :kind_refund AND w.follows IS NOT NULL))
    AND (
      w.kind IN (:kind_refund, :kind_reversal)
      AND w.gave = CASE w.kind WHEN :kind_refund THEN coalesce(s.amount, 0) ELSE f.amount END
      AND f.payment IS NOT NULL
    ) IS NOT TRUE
  UNION ALL
  -- What was given back of a payment is what gave it back and was not reversed itself.
  SELECT w.id,
    format(
      '%s of %s was given back, what gave it back comes to %s of %s',
      f.given, f.amount, coalesce(g.given, 0), coalesce(w.amount, 0)
    )
  FROM wanted w
  JOIN refunded f ON f.payment = w.id
  LEFT JOIN (
    SELECT s.follows, sum(s.gave) AS given
    FROM steps s
    LEFT JOIN refunded u ON u.payment = s.id
    WHERE coalesce(u.given, 0) = 0
    GROUP BY s.follows
  ) g ON g.follows = w.id
  WHERE f.given <> coalesce(g.given, 0) OR f.amount <> coalesce(w.amount, 0)
  UNION ALL
  -- What was taken from its hold is what the captures and voids that follow it took.
  SELECT w.id,
    CASE
      WHEN h.id IS NULL THEN 'its hold is missing'
      ELSE format(
        'captured %s and voided %s of %s of its hold, the steps come to %s and %s of %s',
        h.captured, h.voided, h.amount, coalesce(g.captured, 0), coalesce(g.voided, 0), coalesce(w.held, 0)
      )
    END
  FROM wanted w
  LEFT JOIN holds h USING (id)
  LEFT JOIN (
    SELECT follows, sum(posted) AS captured, sum(taken - posted) AS voided
    FROM steps
    WHERE kind IN (:kind_capture, :kind_void)
    GROUP BY follows
  ) g ON g.follows = w.id
  WHERE w.kind IN (:kind_hold, :kind_payout) AND w.status = :status_completed
    AND (
      h.amount = w.held AND h.captured = coalesce(g.captured, 0) AND h.voided = coalesce(g.voided, 0)
    ) IS NOT TRUE
  UNION ALL
  -- A capture or void is of a hold, and takes no less than it posts.
  SELECT w.id,
    format(
      'it takes %s from hold %s%s, its postings come to %s',
      coalesce(-w.held, 0), coalesce(w.follows::text, 'none'), CASE WHEN h.id IS NULL THEN ', which is missing' END,
      coalesce(s.amount, 0)
    )
  FROM wanted w
  LEFT JOIN sums s USING (id)
  LEFT JOIN holds h ON h.id = w.follows
  WHERE w.kind IN (:kind_capture, :kind_void) AND w.status = :status_completed
    AND (h.id IS NOT NULL AND -w.held >= coalesce(s.amount, 0)) IS NOT TRUE
)
SELECT count(*) OVER () AS disagreeing, id, array_agg(issue ORDER BY issue) AS issues
FROM issues
GROUP BY id
ORDER BY id
LIMIT $3
