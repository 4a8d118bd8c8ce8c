-- What gives back: refunds, reversals, and whatever else says that it gave something.
WITH givers AS MATERIALIZED (
  SELECT id, min(seq) AS seq, min(kind) AS kind,
    (array_agg(follows) FILTER (WHERE n = 0))[1] AS payment,
    coalesce(sum(amount), 0) AS posted,
    max(CASE WHEN body ->> 'gave' ~ '^[0-9]{1,28}$' THEN (body ->> 'gave')::numeric END) AS gave
  FROM journal
  WHERE status = :status_completed AND (kind IN (:kind_refund, :kind_reversal) OR body ? 'gave')
  GROUP BY id
)
-- What was given back of a payment is what gave it back, and no more than the payment. A refund or reversal counts
-- unless it was reversed itself, which is always as a whole.
SELECT 'refunded', 'payment ' || r.payment,
  format(
    '%s of %s%s',
    coalesce(g.given, 0), coalesce(p.amount, 0), CASE WHEN g.reversed THEN ', by a reversal' END
  ),
  format('%s of %s%s', r.given, r.amount, CASE WHEN r.reversed THEN ', by a reversal' END)
FROM refunded r
LEFT JOIN (
  SELECT s.payment,
    sum(s.gave) FILTER (WHERE coalesce(u.given, 0) = 0) AS given,
    (array_agg(s.kind ORDER BY s.seq DESC))[1] = :kind_reversal AS reversed
  FROM givers s
  LEFT JOIN refunded u ON u.payment = s.id
  GROUP BY s.payment
) g ON g.payment = r.payment
LEFT JOIN (
  SELECT id, amount FROM journal WHERE n = 0 AND status = :status_completed
) p ON p.id = r.payment
WHERE (
    r.given = coalesce(g.given, 0) AND r.amount = p.amount AND r.given <= r.amount
    AND r.reversed = coalesce(g.reversed, false)
  ) IS NOT TRUE
UNION ALL
-- A refund gives back what it posts, a reversal the whole payment; both of a payment that knows of it.
SELECT 'refund', 'transaction ' || s.id,
  'refunds ' || CASE s.kind WHEN :kind_reversal THEN coalesce(f.amount, 0) ELSE s.posted END,
  format(
    'refunds %s of payment %s, of kind %s',
    coalesce(s.gave::text, 'nothing'), coalesce(s.payment::text, 'none'), s.kind
  )
FROM givers s
LEFT JOIN refunded f ON f.payment = s.payment
WHERE (
    s.kind IN (:kind_refund, :kind_reversal)
    AND s.gave = CASE s.kind WHEN :kind_refund THEN s.posted ELSE f.amount END
    AND f.payment IS NOT NULL
  ) IS NOT TRUE
  AND NOT (s.kind = :kind_refund AND s.payment IS NULL AND s.gave IS NULL)
