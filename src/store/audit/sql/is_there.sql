-- Whether tenant $1 has transaction $2.
SELECT EXISTS (
  SELECT
  FROM journal_at((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$2]) p))
  WHERE tenant = $1 AND id = $2 AND status <= :status_declined AND kind <= :kind_account_change
)
