-- Billing: who issues invoices, who gets them, what was issued, and what became of it.

-- Legal entities that issue documents.
CREATE TABLE entities (
  tenant          text NOT NULL CHECK (octet_length(tenant) BETWEEN 1 AND 64),
  id              text NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 64),
  name            text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
  address         text[] NOT NULL DEFAULT '{}',                         -- lines
  tax_id          text,
  phone           text,
  email           text,
  logo            bytea CHECK (octet_length(logo) <= 262144),           -- PNG or SVG
  invoice_format  text NOT NULL DEFAULT 'INV-{year}-{seq:6}',
  credit_format   text NOT NULL DEFAULT 'CN-{year}-{seq:6}',
  payment_days    int NOT NULL DEFAULT 30 CHECK (payment_days BETWEEN 0 AND 3650),
  fiscal_month    smallint NOT NULL DEFAULT 1 CHECK (fiscal_month BETWEEN 1 AND 12),
  time_zone       text NOT NULL DEFAULT 'UTC',
  book_currency   text REFERENCES currencies,                           -- null: the books are kept in each document's currency
  region          text,                                                 -- of orders that name none
  mails_invoices  boolean NOT NULL DEFAULT false,                       -- to customers with an address, when they are issued; credit notes as well
  updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, id)
);
INSERT INTO entities (tenant, id, name) VALUES ('default', 'default', 'Florin');
INSERT INTO entities (tenant, id, name, address, tax_id, phone, invoice_format, payment_days) VALUES
  ('default', 'max-stores', 'MAX Stores', '{"12 Market Road","Mumbai 400001, India"}', '27AAAAA0000A1Z5', '+91 22 0000 0000', '{seq}', 0);

-- The next number of each series of documents. It is drawn by the batch that issues, so no number is left out.
CREATE TABLE number_series (
  tenant    text NOT NULL,
  entity    text NOT NULL,
  document  smallint NOT NULL,
  year      int NOT NULL,                                               -- the fiscal year
  next      bigint NOT NULL,
  PRIMARY KEY (tenant, entity, document, year)
) WITH (fillfactor = 50);

-- Who gets invoices. Personal data can be erased; the id stays, and so do the books.
CREATE TABLE customers (
  tenant      text NOT NULL,
  id          text NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 64),
  email       text CHECK (octet_length(email) <= 320),
  first_name  text NOT NULL DEFAULT '',
  middle_name text NOT NULL DEFAULT '',
  last_name   text NOT NULL DEFAULT '',
  mobile      text,
  born_on     date,
  address     text[] NOT NULL DEFAULT '{}',
  tax_id      text,
  region      text,
  language    text NOT NULL DEFAULT 'en',
  extra       text,                                                     -- a JSON object: fields of its registration that Florin does not know, as they came
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  erased_at   timestamptz,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX customers_by_email ON customers (tenant, email);
CREATE INDEX customers_by_time ON customers (tenant, created_at, id);

-- Taxes by region, category and date. Null: any. A new rate is a new row.
CREATE TABLE tax_rates (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant          text NOT NULL,
  region          text,
  category        text,
  treatment       text NOT NULL CHECK (treatment IN ('standard', 'exempt', 'reverse_charge')),
  percent         numeric(9,6) NOT NULL CHECK (percent >= 0),
  effective_from  date NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE SEQUENCE invoice_ids;

-- Invoices and credit notes. What was issued never changes; only what became of it does.
CREATE TABLE invoices (
  id             bigint PRIMARY KEY DEFAULT nextval('invoice_ids'),
  tenant         text NOT NULL,
  entity         text NOT NULL,
  document       smallint NOT NULL CHECK (document BETWEEN 1 AND 2),    -- 1 invoice, 2 credit note
  customer       text NOT NULL,
  source         text,                                                  -- the order's or the bill's id
  currency       text NOT NULL,                                         -- one of currencies: its accounts refer to it, and a look for each invoice costs
  subtotal       numeric(28,0) NOT NULL,
  tax            numeric(28,0) NOT NULL,
  total          numeric(28,0) NOT NULL CHECK (total >= 0 AND total = subtotal + tax),
  due_on         date,
  content        jsonb NOT NULL,                                        -- lines, taxes, terms, the rate that it was booked at
  corrects       bigint,                                                -- the invoice that a credit note corrects
  seq            bigint,                                                -- the place of its record; null: a draft
  year           int,
  number         bigint,
  number_format  text,
  issued_at      timestamptz,
  book_currency  text NOT NULL,                                         -- the same
  booked         numeric(28,0) NOT NULL CHECK (booked >= 0),            -- the total in the books' currency
  status         smallint NOT NULL CHECK (status BETWEEN 1 AND 5),      -- 1 draft, 2 open, 3 paid, 4 void, 5 uncollectible
  version        int NOT NULL DEFAULT 1,                                -- rises with each change
  paid           numeric(28,0) NOT NULL DEFAULT 0,
  credited       numeric(28,0) NOT NULL DEFAULT 0,                      -- by credit notes, what was due
  returned       numeric(28,0) NOT NULL DEFAULT 0,                      -- by credit notes, what had been paid
  written_off    numeric(28,0) NOT NULL DEFAULT 0,
  overdue_at     timestamptz,                                           -- since when it is known to be
  draft_key      text CHECK (octet_length(draft_key) BETWEEN 1 AND 255), -- the idempotency key under which it was drafted
  draft_request  uuid,                                                  -- the hash of what was asked for under it
  CONSTRAINT invoice_key CHECK ((draft_key IS NULL) = (draft_request IS NULL)),
  CONSTRAINT invoice_settled CHECK (
    paid >= 0 AND credited >= 0 AND written_off >= 0 AND paid + credited + written_off <= total AND returned BETWEEN 0 AND paid),
  CONSTRAINT invoice_issued CHECK (status = 1 OR (seq IS NOT NULL AND number IS NOT NULL AND year IS NOT NULL AND number_format IS NOT NULL AND issued_at IS NOT NULL))
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX invoices_number ON invoices (tenant, entity, document, year, number);
CREATE UNIQUE INDEX invoices_by_place ON invoices (seq);
CREATE INDEX invoices_by_customer ON invoices (tenant, customer, id);
CREATE INDEX invoices_due ON invoices (tenant, due_on, id) WHERE status IN (2, 5);
CREATE INDEX invoices_not_known_overdue ON invoices (due_on, id) WHERE status = 2 AND overdue_at IS NULL AND document = 1;
CREATE UNIQUE INDEX invoices_draft_key ON invoices (tenant, draft_key) WHERE draft_key IS NOT NULL;
CREATE INDEX invoices_drafts ON invoices (tenant, id) WHERE status = 1;
CREATE INDEX invoices_issued ON invoices USING brin (issued_at) WITH (pages_per_range = 16);
CREATE TRIGGER issued_never_changes BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_issued();
CREATE TRIGGER issued_never_goes BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What became of an invoice: each change of what is due, and each change of its status.
CREATE TABLE settlements (
  invoice       bigint NOT NULL,
  seq           bigint NOT NULL,                                        -- the place of its record
  tenant        text NOT NULL,                                          -- of the invoice
  customer      text NOT NULL,                                          -- of the invoice
  kind          smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),         -- 1 payment, 2 credit note, 3 write-off, 4 void, 5 uncollectible, 6 overdue
  amount        numeric(28,0) NOT NULL CHECK (amount >= 0),             -- by which less is due
  excess        numeric(28,0) NOT NULL CHECK (excess >= 0),             -- paid or credited beyond what was due: the customer's credit
  reinstated    numeric(28,0) NOT NULL CHECK (reinstated >= 0),         -- what had been written off and was due again just before
  due_after     numeric(28,0) NOT NULL CHECK (due_after >= 0),
  status_after  smallint NOT NULL,
  credit_note   bigint,
  at            timestamptz NOT NULL,
  PRIMARY KEY (invoice, seq)
);
CREATE INDEX settlements_by_place ON settlements (seq);
CREATE INDEX payments_by_time ON settlements (tenant, at, seq, invoice) WHERE kind = 1;
CREATE INDEX payments_by_customer ON settlements (tenant, customer, at, seq, invoice) WHERE kind = 1;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Orders that wait for an exchange rate, and the reason.
CREATE TABLE parked_orders (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant       text NOT NULL,
  event_id     text NOT NULL,
  reason       text NOT NULL,
  body         bytea NOT NULL,
  received_at  timestamptz NOT NULL,
  billed_at    timestamptz,
  UNIQUE (tenant, event_id)
);
CREATE INDEX parked_orders_waiting ON parked_orders (id) WHERE billed_at IS NULL;

-- Files of exports that were written, one of each kind for a day (UTC).
CREATE TABLE exports (
  tenant      text NOT NULL,
  day         date NOT NULL,
  kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 2),           -- 1 invoices, 2 ledger entries
  url         text NOT NULL,
  rows        bigint NOT NULL,
  written_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, day, kind)
);

-- Bills whose customer is not there yet, whole: the registration may still be on its way. They go when they are billed or dead.
CREATE TABLE parked_bills (
  place        text PRIMARY KEY,                                        -- topic/partition/offset/SHA-256 of the body
  topic        text NOT NULL,
  partition    int NOT NULL,
  "offset"     bigint NOT NULL,
  key          bytea,
  body         bytea NOT NULL,
  received_at  timestamptz NOT NULL,
  parked_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX parked_bills_by_time ON parked_bills (parked_at);

-- Mails to be sent, and what became of them.
CREATE TABLE mails (
  tenant      text NOT NULL,
  id          text NOT NULL CHECK (octet_length(id) <= 512),            -- the same however often it is asked for
  kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 2),           -- 1 a shop's invoice, 2 an invoice or a credit note, printed when it is sent
  recipient   text NOT NULL,                                            -- empty: erased
  subject     text NOT NULL DEFAULT '',                                 -- of kind 2 it follows from the document
  invoice     text,                                                     -- its number as the mail has it
  document    bigint,                                                   -- of kind 2
  params      jsonb NOT NULL DEFAULT '{}',                              -- what its template needs, and the path of its attachment
  state       smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3), -- 1 due, 2 sent, 3 dead
  attempts    int NOT NULL DEFAULT 0,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  next_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer      text,                                                     -- what the mail server said last
  topic       text,                                                     -- the message that asks for it, as it came
  partition   int,
  "offset"    bigint,
  key         bytea,
  body        bytea,
  PRIMARY KEY (tenant, id),
  CONSTRAINT mail_has_its_document CHECK ((kind = 2) = (document IS NOT NULL))
);
CREATE INDEX mails_due ON mails (next_at) WHERE state = 1;
CREATE INDEX mails_by_document ON mails (document) WHERE document IS NOT NULL;

-- Messages from Kafka that can have no effect, whole, with the reason. A record on the dead-letter topic says the same.
CREATE TABLE received_letters (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic        text NOT NULL,
  partition    int NOT NULL,
  "offset"     bigint NOT NULL,
  key          bytea,
  headers      jsonb NOT NULL DEFAULT '[]',
  body         bytea NOT NULL,
  digest       bytea NOT NULL,                                          -- SHA-256 of the body: a topic that is made anew has the same offsets again
  code         text NOT NULL,
  reason       text NOT NULL,
  failed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  published    boolean NOT NULL DEFAULT false,                          -- it is on the dead-letter topic
  asked_at     timestamptz,                                             -- somebody asked for its replay
  replayed_at  timestamptz,
  UNIQUE (topic, partition, "offset", digest)
);
CREATE INDEX received_letters_asked ON received_letters (topic, id) WHERE asked_at IS NOT NULL AND replayed_at IS NULL;
