-- Transactions that start a saga or are a part of one, and where each saga's facts stand.
WITH parts AS MATERIALIZED (
  SELECT seq, id, tenant, kind, status,
    body ->> 'saga' AS saga,
    coalesce(jsonb_array_length(body -> 'facts'), 0) AS facts
  FROM journal
  WHERE n = 0 AND (kind IN (:kind_payout, :kind_card_topup) OR body ? 'saga')
),
told AS MATERIALIZED (
  SELECT p.saga, array_agg(p.seq ORDER BY p.seq) AS facts
  FROM parts p, generate_series(1, p.facts)
  GROUP BY p.saga
)
-- A payout and a card top-up each begin a saga, which has as many facts as it lists.
SELECT 'saga', 'saga ' || coalesce(s.id, t.id),
  format(
    '%s facts of a transaction, kind %s',
    coalesce(cardinality(e.facts), 0),
    CASE
      WHEN s.id IS NULL THEN t.kind
      WHEN s.workflow = :workflow_payout THEN :kind_payout
      ELSE :kind_card_topup
    END
  ),
  CASE
    WHEN s.id IS NULL THEN 'none'
    ELSE format(
      '%s facts of %s',
      cardinality(s.facts), CASE WHEN t.id IS NULL THEN 'none' ELSE 'a transaction, kind ' || t.kind END
    )
  END
FROM sagas s
FULL JOIN (
  SELECT * FROM parts WHERE kind IN (:kind_payout, :kind_card_topup) AND status = :status_completed
) t ON t.id = s.id AND t.tenant = s.tenant
LEFT JOIN told e ON e.saga = s.id::text
WHERE (
    cardinality(s.facts) = coalesce(cardinality(e.facts), 0)
    AND t.kind = CASE s.workflow WHEN :workflow_payout THEN :kind_payout ELSE :kind_card_topup END
  ) IS NOT TRUE
UNION ALL
-- A saga lists its facts at the places where they stand.
SELECT 'saga fact', 'saga ' || s.id,
  'its facts at ' || array_to_string(e.facts, ' '),
  'facts at ' || array_to_string(s.facts, ' ')
FROM told e
JOIN sagas s ON s.id::text = e.saga
WHERE e.facts <> s.facts AND cardinality(e.facts) = cardinality(s.facts)
UNION ALL
-- A part of a saga is of one that is there.
SELECT 'saga step', 'transaction ' || t.id, 'a step of a saga', 'a step of ' || t.saga
FROM parts t
LEFT JOIN sagas s ON s.id::text = t.saga AND s.tenant = t.tenant
WHERE t.saga IS NOT NULL AND s.id IS NULL
UNION ALL
-- A saga is listed at the place of the transaction that began it.
SELECT 'saga', 'saga ' || s.id, 'its transaction at row ' || t.seq, 'row ' || s.seq
FROM sagas s
JOIN parts t ON t.id = s.id
WHERE s.seq <> t.seq
