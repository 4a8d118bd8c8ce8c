-- Counts what a step found, by check, and selects at most $3 of each. The step's own statement stands in the braces.
WITH given AS (
  SELECT $1::smallint[] AS without_postings, $2::interval AS key_gap
), bad(broken, what, expected, found) AS (
{bad}
)
SELECT broken, what, expected, found, total
FROM (
  SELECT *,
    count(*) OVER (PARTITION BY broken) AS total,
    row_number() OVER (PARTITION BY broken ORDER BY what) AS place
  FROM bad
) b
WHERE place <= $3
ORDER BY broken, place
