-- An exchange is one transaction of two postings: what leaves in one currency arrives in the other at the pinned rate,
-- one of the two rounded by less than one of its units.
WITH pinned AS MATERIALIZED (
  SELECT id, seq, kind, tenant,
    CASE
      WHEN body #>> '{exchange,rate_id}' ~ '^[0-9]{1,18}$' THEN (body #>> '{exchange,rate_id}')::bigint
    END AS rate_id,
    CASE
      WHEN body #>> '{exchange,rate}' ~ '^[0-9]{1,16}([.][0-9]{1,12})?$' THEN (body #>> '{exchange,rate}')::numeric
    END AS rate,
    body #>> '{exchange,base}' AS base,
    body #>> '{exchange,quote}' AS quote
  FROM journal
  WHERE n = 0 AND status = :status_completed AND kind <> :kind_invoice_payment AND body ? 'exchange'
)
SELECT w.broken, 'transaction ' || e.id, w.expected, w.found
FROM (
  SELECT x.*,
    r.rate AS quoted, r.base AS rate_base, r.quote AS rate_quote,
    p.n, p.currencies, p.leaves, p.arrives, p.due,
    (
      x.kind = :kind_fx AND p.n = 2
      AND p.currencies = ARRAY[least(x.base, x.quote), greatest(x.base, x.quote)]
    ) IS TRUE AS is_exchange,
    (
      x.rate = r.rate AND x.base = r.base AND x.quote = r.quote AND x.tenant = r.tenant
    ) IS TRUE AS is_as_quoted
  FROM pinned x
  LEFT JOIN rates r ON r.id = x.rate_id
  LEFT JOIN (
    SELECT s.*,
      CASE WHEN s.gives = s.base THEN s.leaves * s.rate ELSE s.leaves / s.rate END
        * power(10::numeric, kt.exponent - kg.exponent) AS due
    FROM (
      SELECT x.id, x.base, x.rate, count(*) AS n,
        array_agg(DISTINCT a.currency ORDER BY a.currency) AS currencies,
        (array_agg(j.amount ORDER BY j.n))[1] AS leaves,
        (array_agg(a.currency ORDER BY j.n))[1] AS gives,
        (array_agg(j.amount ORDER BY j.n))[2] AS arrives,
        (array_agg(a.currency ORDER BY j.n))[2] AS takes
      FROM pinned x
      JOIN journal j ON j.seq - j.n = x.seq AND j.id = x.id AND j.amount IS NOT NULL
      JOIN accounts a ON a.id = j.debit_account
      GROUP BY x.id, x.base, x.rate
    ) s
    LEFT JOIN currencies kg ON kg.code = s.gives
    LEFT JOIN currencies kt ON kt.code = s.takes
  ) p ON p.id = x.id
) e,
LATERAL (VALUES
  (
    'exchange', is_exchange,
    format('kind %s, 2 postings, %s and %s', :kind_fx, base, quote),
    format(
      'kind %s, %s postings in %s',
      kind, coalesce(n, 0), coalesce(array_to_string(currencies, ' and '), 'no currency')
    )
  ),
  (
    'exchange rate', is_as_quoted OR NOT is_exchange,
    format('rate %s: %s %s/%s', rate_id, coalesce(quoted::text, 'none'), rate_base, rate_quote),
    format('%s %s/%s', coalesce(rate::text, 'none'), base, quote)
  ),
  (
    'exchange amount',
    abs(due - arrives) < greatest(1, due / nullif(leaves, 0)) OR NOT is_exchange OR NOT is_as_quoted,
    'within 1 of ' || trunc(due, 4),
    arrives::text
  )
) w(broken, fits, expected, found)
WHERE w.fits IS NOT TRUE
