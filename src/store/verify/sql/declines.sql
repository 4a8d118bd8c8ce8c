-- Each account that a declined transaction names lists it.
SELECT 'decline', format('account %s of %s', coalesce(j.account, d.account), coalesce(j.tenant, d.tenant)),
  coalesce('declined at row ' || j.seq, 'none'),
  coalesce('declined at row ' || d.seq, 'none')
FROM (
  SELECT DISTINCT j.tenant, a.account, j.seq
  FROM journal j,
    jsonb_array_elements(
      CASE jsonb_typeof(j.body -> 'postings') WHEN 'array' THEN j.body -> 'postings' END
    ) p(posting),
    LATERAL (VALUES (p.posting ->> 'debit'), (p.posting ->> 'credit')) a(account)
  WHERE j.status = :status_declined AND j.n = 0 AND a.account IS NOT NULL
) j
FULL JOIN declines d ON d.tenant = j.tenant AND d.account = j.account AND d.seq = j.seq
WHERE j.seq IS NULL OR d.seq IS NULL
