-- The rows of keys that are there more than once.
WITH uses AS MATERIALIZED (
  SELECT j.*
  FROM journal j
  JOIN (
    SELECT DISTINCT key
    FROM (SELECT key, lag(key) OVER (ORDER BY key) AS before FROM journal WHERE key IS NOT NULL) i
    WHERE key = before
  ) k ON k.key = j.key
)
-- A key is the hash of what the caller named. Partition 0 has none.
SELECT 'key', 'transaction ' || id,
  CASE WHEN seq >> 44 = 0 OR hash IS NULL THEN 'none' ELSE encode(hash, 'hex')::uuid::text END,
  coalesce(key::text, 'none')
FROM (
  SELECT id, seq, key, key_text, status,
{key_hash} AS hash
  FROM journal
  WHERE n = 0
) k
WHERE CASE
    WHEN seq >> 44 = 0 THEN key IS NOT NULL
    WHEN key IS NULL THEN key_text IS NOT NULL AND status <> :status_declined
    WHEN key_text IS NULL THEN status <> :status_retired
    ELSE uuid_send(key) <> hash
  END
UNION ALL
-- Where keys are remembered, none is there twice.
SELECT 'key used twice', 'key ' || u.key,
  'one transaction',
  'transactions ' || string_agg(u.id::text, ' and ' ORDER BY u.seq)
FROM uses u
JOIN journal_partitions p ON p.number = u.seq >> 44
WHERE p.keys
GROUP BY u.key
HAVING count(*) > 1
UNION ALL
-- A forgotten key may be used again: only uses closer than the retention are two effects of one key.
SELECT 'key with two effects', format('key %s of tenant %s, API %s', u.key_text, u.tenant, u.api),
  'transaction ' || u.earlier,
  'transaction ' || u.id || ' as well'
FROM (
  SELECT *, lag(id) OVER w AS earlier, created_at - lag(created_at) OVER w AS gap
  FROM uses
  WHERE status = :status_completed
  WINDOW w AS (PARTITION BY key ORDER BY created_at, seq)
) u
CROSS JOIN given g
WHERE u.gap < g.key_gap
