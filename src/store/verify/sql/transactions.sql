-- The rows of a transaction stand side by side and say the same of it. A transaction of one row agrees with itself.
SELECT
  CASE WHEN min(n) > 0 THEN 'postings without transaction' ELSE 'postings of a transaction' END,
  format('transaction %s at row %s', id, min(seq)),
  CASE WHEN min(n) > 0 THEN 'a first row' ELSE format('%s postings side by side and alike', min(postings)) END,
  format('%s postings, %s to %s', count(*), min(n), max(n))
FROM journal
WHERE n > 0 OR postings > 1
GROUP BY id, seq - n
HAVING (
    min(n) = 0 AND max(n) + 1 = count(*) AND min(postings) = count(*) AND max(postings) = count(*)
    AND min(kind) = max(kind) AND min(status) = max(status) AND min(api) = max(api) AND min(tenant) = max(tenant)
    AND min(created_at) = max(created_at)
    AND min(event) IS NOT DISTINCT FROM max(event) AND count(event) IN (0, count(*))
  ) IS NOT TRUE
UNION ALL
-- No two transactions have one id.
SELECT 'transaction twice', 'transaction ' || id, 'one', format('first rows %s and %s', before, seq)
FROM (
  SELECT id, seq, lag(id) OVER w AS id_before, lag(seq) OVER w AS before
  FROM journal
  WHERE n = 0
  WINDOW w AS (ORDER BY id)
) i
WHERE id = id_before
