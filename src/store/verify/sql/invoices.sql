-- Documents, what became of them, and whether that agrees with the journal and with what customers owe.
WITH issued AS MATERIALIZED (
  SELECT *, CASE WHEN status = :invoice_void THEN 0 ELSE total - paid - credited - written_off END AS due
  FROM invoices
  WHERE status <> :invoice_draft
),
settled AS MATERIALIZED (
  SELECT invoice,
    coalesce(sum(amount) FILTER (WHERE kind = :settled_payment), 0) AS paid,
    coalesce(sum(amount) FILTER (WHERE kind = :settled_credit), 0) AS credited,
    coalesce(sum(excess) FILTER (WHERE kind = :settled_credit), 0) AS returned,
    coalesce(sum(amount) FILTER (WHERE kind = :settled_write_off), 0) - coalesce(sum(reinstated), 0) AS written_off,
    (array_agg(status_after ORDER BY seq DESC))[1] AS status
  FROM settlements
  GROUP BY invoice
),
billing AS MATERIALIZED (
  SELECT seq, n, id, tenant, event, debit_account, credit_account, coalesce(amount, 0) AS amount
  FROM journal
  WHERE event IN (:billing_events)
),
records AS MATERIALIZED (
  SELECT min(seq) AS seq, min(tenant) AS tenant, min(event) AS event, sum(amount) AS amount FROM billing GROUP BY id
)
-- A document has a record that issued it, and posted what it comes to.
SELECT 'invoice', 'invoice ' || coalesce(i.id::text, 'at row ' || r.seq),
  CASE WHEN i.id IS NULL THEN 'an invoice' ELSE format('%s posted at row %s', i.booked, i.seq) END,
  CASE WHEN r.seq IS NULL THEN 'no record' ELSE format('%s posted, event %s', r.amount, r.event) END
FROM (SELECT * FROM records WHERE event IN (:event_invoice_issued, :event_credit_note_issued)) r
FULL JOIN issued i ON i.seq = r.seq
WHERE (i.tenant = r.tenant AND i.booked = r.amount) IS NOT TRUE
UNION ALL
-- What became of it is the sum of its settlements.
SELECT 'settlement', 'invoice ' || coalesce(i.id, s.invoice),
  format(
    'paid %s, credited %s, returned %s, written off %s, status %s',
    s.paid, s.credited, s.returned, s.written_off, s.status
  ),
  format(
    'paid %s, credited %s, returned %s, written off %s, status %s',
    i.paid, i.credited, i.returned, i.written_off, i.status
  )
FROM issued i
FULL JOIN settled s ON s.invoice = i.id
WHERE (
    i.id IS NOT NULL AND i.paid = coalesce(s.paid, 0) AND i.credited = coalesce(s.credited, 0)
    AND i.returned = coalesce(s.returned, 0)
    AND i.written_off = CASE i.status WHEN :invoice_void THEN 0 ELSE coalesce(s.written_off, 0) END
    AND (s.status IS NULL OR s.status = i.status)
  ) IS NOT TRUE
UNION ALL
SELECT 'settlement', format('invoice %s at row %s', s.invoice, s.seq), 'a record', 'none'
FROM settlements s
LEFT JOIN records r ON r.seq = s.seq
WHERE r.seq IS NULL
UNION ALL
-- It is of its invoice's customer, by whom payments are listed.
SELECT 'settlement', format('invoice %s at row %s', s.invoice, s.seq),
  format('customer %s of %s', i.customer, i.tenant),
  format('customer %s of %s', s.customer, s.tenant)
FROM settlements s
JOIN invoices i ON i.id = s.invoice
WHERE (s.tenant, s.customer) <> (i.tenant, i.customer)
UNION ALL
-- The numbers of a series begin at 1, and none is left out.
SELECT 'invoice number', format('series %s of %s, %s', document, entity, year),
  format('the numbers 1 to %s', n.next - 1),
  format('%s numbers from %s to %s', coalesce(i.count, 0), i.first, i.last)
FROM number_series n
FULL JOIN (
  SELECT tenant, entity, document, year, count(DISTINCT number) AS count, min(number) AS first, max(number) AS last
  FROM issued
  GROUP BY tenant, entity, document, year
) i USING (tenant, entity, document, year)
WHERE (i.first = 1 AND i.last = i.count AND n.next = i.last + 1) IS NOT TRUE
UNION ALL
-- What a customer owes by the books is what is due of its invoices.
SELECT 'receivable', format('customer %s, %s', customer, currency),
  coalesce(d.due, 0)::text,
  coalesce(a.owed, 0)::text
FROM (
  SELECT r.tenant, r.customer, r.currency,
    sum(CASE WHEN b.debit_account = r.account THEN b.amount ELSE -b.amount END) AS owed
  FROM (
    SELECT DISTINCT i.tenant, i.customer, i.book_currency AS currency, b.debit_account AS account
    FROM issued i
    JOIN billing b ON b.seq = i.seq
    WHERE i.document = :document_invoice AND b.debit_account IS NOT NULL
  ) r
  JOIN billing b ON r.account IN (b.debit_account, b.credit_account)
  GROUP BY r.tenant, r.customer, r.currency
) a
FULL JOIN (
  SELECT tenant, customer, book_currency AS currency,
    -- its share of what was booked, rounded half away from zero
    sum(CASE WHEN book_currency = currency THEN due WHEN total = 0 THEN 0 ELSE div(2 * booked * due + total, 2 * total) END)
      AS due
  FROM issued
  WHERE document = :document_invoice
  GROUP BY tenant, customer, book_currency
) d USING (tenant, customer, currency)
WHERE coalesce(a.owed, 0) <> coalesce(d.due, 0)
