-- Sets the balance of account $1 to debits $2, credits $3, held $4, version $5 and newest row $6. If it is in
-- quarantine its guards become those of the last change that was not folded, up to place $7. A limit that the balance
-- is past binds what moves towards it: the balance may stay where it is.
UPDATE balances b
SET debits = n.debits, credits = n.credits, held = n.held, version = n.version, last_seq = n.last_seq,
  status = n.status, floor = n.floor, ceiling = n.ceiling,
  floor_from = CASE WHEN n.credits - n.debits - n.held < n.floor THEN n.credits - n.debits - n.held END,
  ceiling_from = CASE WHEN n.credits - n.debits > n.ceiling THEN n.credits - n.debits END
FROM (
  SELECT
    $2::numeric AS debits, $3::numeric AS credits, $4::numeric AS held, $5::bigint AS version, $6::bigint AS last_seq,
    coalesce((g.set ->> 'status')::smallint, o.status) AS status,
    CASE WHEN g.set IS NULL THEN o.floor ELSE (g.set ->> 'floor')::numeric END AS floor,
    CASE WHEN g.set IS NULL THEN o.ceiling ELSE (g.set ->> 'ceiling')::numeric END AS ceiling
  FROM balances o
  LEFT JOIN (
    SELECT j.body -> 'set' AS set
    FROM quarantine q
    JOIN journal j ON j.seq > q.first_seq AND j.seq <= $7
    WHERE q.account = $1 AND q.released_at IS NULL AND j.kind = :kind_account_change AND j.debit_account = $1
    ORDER BY j.seq DESC
    LIMIT 1
  ) g ON true
  WHERE o.account = $1
) n
WHERE b.account = $1
