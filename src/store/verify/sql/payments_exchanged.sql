-- A payment of invoices in another currency than that of their books is exchanged over the clearing accounts at the rate
-- that it pins, which is as it was quoted; what arrives is rounded by less than one unit for each invoice.
WITH paid AS MATERIALIZED (
  SELECT id, seq, tenant, body #>> '{exchange,base}' AS base, body #>> '{exchange,quote}' AS quote,
    (body #>> '{exchange,rate_id}')::bigint AS rate_id, (body #>> '{exchange,rate}')::numeric AS rate
  FROM journal
  WHERE n = 0 AND status = :status_completed AND kind = :kind_invoice_payment AND body ? 'exchange'
),
moved AS MATERIALIZED (
  SELECT p.seq,
    coalesce(sum(j.amount) FILTER (WHERE c.name = 'clearing:' || p.base), 0) AS leaves,
    coalesce(sum(j.amount) FILTER (WHERE d.name = 'clearing:' || p.quote), 0) AS arrives
  FROM paid p
  JOIN journal j ON j.seq - j.n = p.seq AND j.id = p.id AND j.amount IS NOT NULL
  JOIN accounts d ON d.id = j.debit_account
  JOIN accounts c ON c.id = j.credit_account
  GROUP BY p.seq
)
SELECT 'payment exchanged', 'transaction ' || p.id,
  format('%s at rate %s, %s %s/%s', trunc(due, 4), p.rate_id, r.rate, r.base, r.quote),
  format('%s at %s %s/%s', m.arrives, p.rate, p.base, p.quote)
FROM paid p
LEFT JOIN moved m ON m.seq = p.seq
LEFT JOIN rates r ON r.id = p.rate_id
LEFT JOIN (SELECT seq, count(*) AS invoices FROM settlements GROUP BY seq) s ON s.seq = p.seq
LEFT JOIN currencies kb ON kb.code = p.base
LEFT JOIN currencies kq ON kq.code = p.quote,
LATERAL (SELECT m.leaves * p.rate * power(10::numeric, kq.exponent - kb.exponent) AS due) x
WHERE (
    p.rate = r.rate AND p.base = r.base AND p.quote = r.quote AND p.tenant = r.tenant AND m.leaves > 0
    AND abs(due - m.arrives) < s.invoices
  ) IS NOT TRUE
