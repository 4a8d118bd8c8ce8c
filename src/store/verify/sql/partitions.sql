-- Readers look only into the partitions that are listed, and not beyond the last batch: the rows of each partition are
-- what its line says.
WITH found AS MATERIALIZED (
  SELECT seq >> 44 AS number, count(*) AS rows, max(seq) >> 20 AS last_batch,
    min(created_at) AS first_at, max(created_at) AS last_at,
    count(key) + count(event) AS told
  FROM journal
  GROUP BY 1
),
written AS (
  SELECT coalesce(max(batch), 16777215) AS batch, coalesce(max(rows), 0) AS rows
  FROM writers
)
SELECT w.broken, 'partition ' || x.number, w.expected, w.found
FROM (
  SELECT coalesce(p.number, f.number) AS number,
    p.opened_at, p.first_at, p.last_at,
    f.first_at AS f_first_at, f.last_at AS f_last_at,
    coalesce(f.rows, 0) AS f_rows, coalesce(f.last_batch, 0) AS f_last_batch, coalesce(f.told, 0) AS told,
    CASE WHEN p.closed_at IS NOT NULL THEN p.last_batch ELSE w.batch END AS last_batch,
    CASE WHEN p.closed_at IS NOT NULL THEN p.rows WHEN p.number = w.batch >> 24 THEN w.rows ELSE 0 END AS rows
  FROM found f
  FULL JOIN journal_partitions p ON p.number = f.number
  CROSS JOIN written w
) x,
LATERAL (VALUES
  ('partition', f_rows = 0 OR opened_at IS NOT NULL, 'opened', f_rows || ' rows, and never opened'),
  ('partition', number = 0 OR f_rows = rows, f_rows || ' rows', coalesce(rows::text, 'no') || ' rows'),
  (
    'partition', f_rows = 0 OR first_at IS NULL OR (first_at <= f_first_at AND last_at >= f_last_at),
    format('from %s to %s', f_first_at, f_last_at),
    format('from %s to %s', first_at, last_at)
  ),
  (
    'place', number = 0 OR f_last_batch <= last_batch,
    'no batch beyond ' || coalesce(last_batch::text, 'none'),
    'batch ' || f_last_batch
  ),
  ('place', number > 0 OR told = 0, 'no keys and no events', told || ' of them')
) w(broken, fits, expected, found)
WHERE w.fits IS NOT TRUE
UNION ALL
-- Ids find their partition by the time at which they were drawn; those of version 8 were not drawn.
SELECT 'place of an id', 'transaction ' || j.id,
  format('an id of partition %s, drawn from %s to %s', p.number, p.first_at, p.last_at),
  'an id of another time'
FROM journal j
JOIN (
  SELECT *,
    (
      lpad(to_hex(ceil(extract(epoch FROM first_at - interval '1 minute') * 1000)::bigint), 12, '0')
      || repeat('0', 20)
    )::uuid AS low,
    (
      lpad(to_hex(floor(extract(epoch FROM last_at + interval '1 minute') * 1000)::bigint), 12, '0')
      || repeat('f', 20)
    )::uuid AS high
  FROM journal_partitions
  WHERE isfinite(first_at)
) p ON p.number = j.seq >> 44
WHERE j.n = 0 AND (j.id < p.low OR j.id > p.high) AND get_byte(uuid_send(j.id), 6) >> 4 <> 8
