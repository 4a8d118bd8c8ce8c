-- Invoices: what a batch issues, and what it does to those that are issued.

CREATE OR REPLACE FUNCTION refuse_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status > 1 AND (TG_OP = 'DELETE' OR
      (OLD.id, OLD.tenant, OLD.entity, OLD.document, OLD.customer, OLD.source, OLD.currency, OLD.subtotal, OLD.tax, OLD.total, OLD.due_on, OLD.corrects, OLD.seq, OLD.year, OLD.number,
        OLD.number_format, OLD.issued_at, OLD.content, OLD.book_currency, OLD.booked)
      IS DISTINCT FROM
      (NEW.id, NEW.tenant, NEW.entity, NEW.document, NEW.customer, NEW.source, NEW.currency, NEW.subtotal, NEW.tax, NEW.total, NEW.due_on, NEW.corrects, NEW.seq, NEW.year, NEW.number,
        NEW.number_format, NEW.issued_at, NEW.content, NEW.book_currency, NEW.booked)) THEN
    RAISE EXCEPTION 'invoice % is issued: it never changes', OLD.id USING ERRCODE = '55000';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- Issues documents: [{id, version, tenant, entity, document, customer, source, currency, subtotal, tax, total, due_on, content, corrects, seq, year, number_format, at,
-- book_currency, booked, status, mail}].
-- Each gets the next number of its series, in the order of their places. With an id and a version it is that draft, which must still be of that version; with an id and version 0
-- it is a new one of this id. Those without an id are inserted by a statement of their own, which needs not ask whether they are there. With mail its customer, if they have an address, gets it by mail.
CREATE OR REPLACE FUNCTION issue_invoices(invoices_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = on SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE written int;
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT i.*, row_number() OVER (PARTITION BY i.tenant, i.entity, i.document, i.year ORDER BY i.seq) AS k
      FROM jsonb_to_recordset(invoices_) AS i(id bigint, version int, tenant text, entity text, document smallint, customer text, source text, currency text, subtotal numeric, tax numeric,
        total numeric, due_on date, content jsonb, corrects bigint, seq bigint, year int, number_format text, at timestamptz, book_currency text, booked numeric, status smallint)
  ), drawn AS (
    INSERT INTO number_series AS s (tenant, entity, document, year, next) SELECT tenant, entity, document, year, 1 + count(*) FROM asked GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
      ON CONFLICT (tenant, entity, document, year) DO UPDATE SET next = s.next + excluded.next - 1
      RETURNING s.tenant, s.entity, s.document, s.year, s.next
  ), counted AS (
    SELECT tenant, entity, document, year, count(*) AS n FROM asked GROUP BY 1, 2, 3, 4
  ), fresh AS (
    INSERT INTO invoices (tenant, entity, document, customer, source, currency, subtotal, tax, total, due_on, content, corrects, seq, year, number, number_format, issued_at, book_currency, booked, status, version)
      SELECT a.tenant, a.entity, a.document, a.customer, a.source, a.currency, a.subtotal, a.tax, a.total, a.due_on, a.content, a.corrects, a.seq, a.year,
          d.next - c.n + a.k - 1, a.number_format, a.at, a.book_currency, a.booked, a.status, a.version + 1
        FROM asked a JOIN drawn d USING (tenant, entity, document, year) JOIN counted c USING (tenant, entity, document, year)
        WHERE a.id IS NULL ORDER BY a.seq RETURNING 1
  ), drafted AS (
    INSERT INTO invoices AS i (id, tenant, entity, document, customer, source, currency, subtotal, tax, total, due_on, content, corrects, seq, year, number, number_format, issued_at, book_currency, booked, status, version)
      SELECT a.id, a.tenant, a.entity, a.document, a.customer, a.source, a.currency, a.subtotal, a.tax, a.total, a.due_on, a.content, a.corrects, a.seq, a.year,
          d.next - c.n + a.k - 1, a.number_format, a.at, a.book_currency, a.booked, a.status, a.version + 1
        FROM asked a JOIN drawn d USING (tenant, entity, document, year) JOIN counted c USING (tenant, entity, document, year)
        WHERE a.id IS NOT NULL AND (a.version = 0 OR EXISTS (SELECT FROM invoices o WHERE o.id = a.id)) ORDER BY a.seq
      ON CONFLICT (id) DO UPDATE SET subtotal = excluded.subtotal, tax = excluded.tax, total = excluded.total, due_on = excluded.due_on, content = excluded.content, seq = excluded.seq,
          year = excluded.year, number = excluded.number, number_format = excluded.number_format, issued_at = excluded.issued_at, book_currency = excluded.book_currency, booked = excluded.booked, status = excluded.status, version = excluded.version
        WHERE i.status = 1 AND i.version = excluded.version - 1 AND i.tenant = excluded.tenant RETURNING 1
  )
  SELECT (SELECT count(*) FROM fresh) + (SELECT count(*) FROM drafted) INTO written;
  IF written <> jsonb_array_length(invoices_) THEN RAISE EXCEPTION 'the draft has gone on otherwise' USING ERRCODE = 'FL006'; END IF;
  IF jsonb_path_exists(invoices_, '$[*].mail ? (@ == true)') THEN
    INSERT INTO mails (tenant, id, kind, recipient, document)
      SELECT i.tenant, 'document/' || i.id, 2, c.email, i.id
        FROM jsonb_to_recordset(invoices_) AS a(seq bigint, mail boolean) JOIN invoices i ON i.seq = a.seq JOIN customers c ON c.tenant = i.tenant AND c.id = i.customer
        WHERE a.mail AND c.email IS NOT NULL
      ON CONFLICT (tenant, id) DO NOTHING;
  END IF;
END $$;

-- What becomes of invoices: [{invoice, version, seq, kind, amount, excess, reinstated, due_after, status_after, paid, credited, returned, written_off, credit_note, at}]; an invoice
-- at most once. Each must still be of that version; paid, credited, returned and written_off are what they are after it.
CREATE OR REPLACE FUNCTION settle_invoices(settlements_ jsonb) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_nestloop = on SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE written int;
BEGIN
  UPDATE invoices i SET status = s.status_after, version = i.version + 1, paid = s.paid, credited = s.credited, returned = s.returned, written_off = s.written_off,
      overdue_at = CASE s.kind WHEN 6 THEN s.at ELSE i.overdue_at END
    FROM jsonb_to_recordset(settlements_) AS s(invoice bigint, version int, kind smallint, status_after smallint, paid numeric, credited numeric, returned numeric, written_off numeric,
      at timestamptz)
    WHERE i.id = s.invoice AND i.version = s.version AND i.status > 1;
  GET DIAGNOSTICS written = ROW_COUNT;
  IF written <> jsonb_array_length(settlements_) THEN RAISE EXCEPTION 'the invoice has gone on otherwise' USING ERRCODE = 'FL006'; END IF;
  INSERT INTO settlements (invoice, seq, tenant, customer, kind, amount, excess, reinstated, due_after, status_after, credit_note, at)
    SELECT s.invoice, s.seq, i.tenant, i.customer, s.kind, s.amount, s.excess, s.reinstated, s.due_after, s.status_after, s.credit_note, s.at
      FROM jsonb_to_recordset(settlements_) AS s(invoice bigint, seq bigint, kind smallint, amount numeric, excess numeric, reinstated numeric, due_after numeric, status_after smallint,
        credit_note bigint, at timestamptz) JOIN invoices i ON i.id = s.invoice;
END $$;

REVOKE EXECUTE ON FUNCTION refuse_issued, issue_invoices, settle_invoices FROM PUBLIC;
