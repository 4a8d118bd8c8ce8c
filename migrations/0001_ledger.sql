-- The ledger's tables. What happened stands once, in the journal; the other tables are what follows from it, what guards it, or what finds it.

-- Exponents are data: a new currency is a row.
CREATE TABLE currencies (
  code      text PRIMARY KEY CHECK (code ~ '^[A-Z0-9]{2,12}$'),
  exponent  smallint NOT NULL CHECK (exponent BETWEEN 0 AND 18),
  name      text NOT NULL,
  fiat      boolean NOT NULL,
  active    boolean NOT NULL DEFAULT true,
  metadata  text
);
INSERT INTO currencies (code, exponent, name, fiat) VALUES
  ('USD', 2, 'US Dollar', true), ('EUR', 2, 'Euro', true), ('GBP', 2, 'Pound Sterling', true), ('INR', 2, 'Indian Rupee', true),
  ('CHF', 2, 'Swiss Franc', true), ('JPY', 0, 'Yen', true), ('BHD', 3, 'Bahraini Dinar', true),
  ('BTC', 8, 'Bitcoin', false), ('ETH', 8, 'Ether', false), ('POINTS', 0, 'Points', false);

-- What never changes about an account. Texts are as the caller gave them; the number is ours and small.
CREATE TABLE accounts (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant       text NOT NULL CHECK (octet_length(tenant) BETWEEN 1 AND 64),
  name         text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 128),
  kind         smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),          -- user, system, external
  normal_side  smallint NOT NULL CHECK (normal_side BETWEEN 1 AND 2),   -- credit, debit
  currency     text NOT NULL REFERENCES currencies,
  owner        text NOT NULL DEFAULT '' CHECK (octet_length(owner) <= 255),
  owner_type   text NOT NULL DEFAULT '' CHECK (octet_length(owner_type) <= 64),
  subtype      text CHECK (octet_length(subtype) <= 64),
  metadata     text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant, name)
);
CREATE INDEX accounts_by_owner ON accounts (tenant, owner, id);

-- What an account's rows come to, as far as the journal is folded (see fold_journal, and balances_now for this moment), and the guard of that: whatever the actors
-- believed, the check holds. Totals only grow; a balance is credits less debits.
-- A limit may be set past the balance: it binds new movements, and moves nothing. The database then guards where the balance stood (floor_from,
-- ceiling_from) until the limit is set again. (least and greatest leave nulls out, and a check that comes to null holds.)
-- The fill factor says both how full a page is filled and how empty it must be kept: a page filled up to it is pruned at every touch. So rows are
-- born with spare bytes, which the first update gives up, and pages are pruned when they are nearly full.
CREATE TABLE balances (
  account       bigint PRIMARY KEY REFERENCES accounts,
  last_seq      bigint NOT NULL DEFAULT 0,                              -- the account's newest row that is folded; 0: there is none
  version       bigint NOT NULL DEFAULT 0,                              -- how many are folded
  debits        numeric(38,0) NOT NULL DEFAULT 0,
  credits       numeric(38,0) NOT NULL DEFAULT 0,
  held          numeric(28,0) NOT NULL DEFAULT 0,
  floor         numeric(28,0),
  ceiling       numeric(28,0),
  floor_from    numeric(38,0),
  ceiling_from  numeric(38,0),
  status        smallint NOT NULL DEFAULT 1,                            -- 1 active, 2 suspended, 3 closed
  spare         bytea DEFAULT decode(repeat('00', 64), 'hex'),
  CONSTRAINT balance_within CHECK (
    held >= 0 AND credits - debits - held >= least(floor, floor_from) AND credits - debits <= greatest(ceiling, ceiling_from)
    AND abs(credits - debits) < 1e28 AND (status < 3 OR (status = 3 AND credits = debits AND held = 0)))
) WITH (fillfactor = 95);
ALTER TABLE balances ALTER spare SET STORAGE PLAIN;

-- What happened, once and in order: a row per posting, the transaction's own facts on its first row. A row's place is its batch's number times 2^20 and
-- its place in the batch; that is the only order there is. A batch is visible only after the one before it, so a place is a cursor.
-- Partitions hold 2^24 batch numbers each. The journal moves on to the next one when it has enough rows, so numbers may be left out.
-- Partition 0 is for opening balances that tools bring: without keys and without events. See journal_partitions.
CREATE TABLE journal (
  seq             bigint NOT NULL,
  debit_account   bigint,                                               -- whose money leaves, or is held, or who is changed
  credit_account  bigint,                                               -- whose money it becomes
  debit_prev      bigint,                                               -- the account's row before this one; 0: this is its first; null: this row does not change it
  credit_prev     bigint,
  created_at      timestamptz NOT NULL,                                 -- when it was accepted
  id              uuid NOT NULL,                                        -- the transaction: version 7, or 8 where it is derived from what it follows
  key             uuid,                                                 -- hash of API, tenant and the caller's key; null: it goes by its id
  request         uuid,                                                 -- hash of what was asked
  follows         uuid,                                                 -- the hold that it takes from, the transaction that it gives back or undoes
  event           smallint,                                             -- what Kafka hears of it; null: nothing
  kind            smallint NOT NULL,
  status          smallint NOT NULL,                                    -- 1 completed, 2 declined, 3 a key that had no effect and never will
  api             smallint NOT NULL,
  n               smallint NOT NULL,                                    -- which posting of its transaction, from 0
  postings        smallint NOT NULL,                                    -- how many postings the transaction has
  amount          numeric(28,0),                                        -- null: nothing is posted
  held            numeric(28,0),                                        -- so much more is held on the debited account, or less
  debit_after     numeric(38,0),                                        -- balance after; between two postings of one transaction it may pass 28 digits
  credit_after    numeric(38,0),
  tenant          text NOT NULL,
  key_text        text,
  reference       text,
  description     text,
  metadata        text,
  correlation     text,
  made_by         text,                                                 -- an API key's or a certificate's name; null: nobody was asked
  made_from       text,                                                 -- the caller's address; null: Florin itself
  body            jsonb,                                                -- what no column says
  CONSTRAINT journal_amount CHECK (amount > 0),
  CONSTRAINT journal_accounts CHECK (debit_account <> credit_account)
) PARTITION BY RANGE (seq);

-- The partitions: journal_<number> holds the places from number * 2^44. Closed ones are never written again.
CREATE TABLE journal_partitions (
  number      bigint PRIMARY KEY,
  opened_at   timestamptz,                                              -- null: it was made ahead
  closed_at   timestamptz,
  rows        bigint,                                                   -- when it was closed
  last_batch  bigint,                                                   -- when it was closed
  first_at    timestamptz,                                              -- the earliest created_at in it; null: not looked at yet
  last_at     timestamptz,
  keys        boolean NOT NULL DEFAULT true                             -- the index that finds keys is there: keys are remembered
);

-- The batch numbers of partition 0, for tools. An account's rows rise along its chain: one that has rows in a later partition can have none here any more.
CREATE SEQUENCE opening_batch MAXVALUE 16777215 CACHE 1;

-- Ids that Florin derives from what they follow are given once, for ever: whatever repeats a step by itself is guarded by this.
CREATE TABLE derived (
  id   uuid PRIMARY KEY,
  seq  bigint NOT NULL
);

-- Finds what was declined by the accounts that it named, as it named them: they need not exist.
CREATE TABLE declines (
  tenant   text NOT NULL,
  account  text NOT NULL,
  seq      bigint NOT NULL,
  PRIMARY KEY (tenant, account, seq)
);

-- Money that is promised and not posted yet: taken from what is available, in part or whole captured, the rest voided. What is taken counts up.
CREATE TABLE holds (
  id              uuid PRIMARY KEY,                                     -- the transaction that authorized it
  debit_account   bigint NOT NULL,
  credit_account  bigint NOT NULL,
  amount          numeric(28,0) NOT NULL CHECK (amount > 0),
  captured        numeric(28,0) NOT NULL DEFAULT 0,
  voided          numeric(28,0) NOT NULL DEFAULT 0,
  expires_at      timestamptz NOT NULL,
  seq             bigint NOT NULL,                                      -- the place of its transaction: lists are in this order
  CONSTRAINT hold_taken CHECK (captured >= 0 AND voided >= 0 AND captured + voided <= amount)
) WITH (fillfactor = 80);
CREATE INDEX holds_open ON holds (expires_at, id) WHERE captured + voided < amount;
CREATE INDEX holds_by_account ON holds (debit_account, seq);

-- How much was given back of a payment, by refunds and reversals together.
CREATE TABLE refunded (
  payment   uuid PRIMARY KEY,
  amount    numeric(28,0) NOT NULL CHECK (amount > 0),                  -- the payment's
  given     numeric(28,0) NOT NULL,
  reversed  boolean NOT NULL,                                           -- the last that gave back was a reversal
  CONSTRAINT refund_given CHECK (given >= 0 AND given <= amount)
);

-- Units of quote for one unit of base, as somebody quoted them. A new rate is a new row.
CREATE TABLE rates (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant       text NOT NULL,
  base         text NOT NULL REFERENCES currencies,
  quote        text NOT NULL REFERENCES currencies CHECK (quote <> base),
  rate         numeric(28,12) NOT NULL CHECK (rate > 0),
  source       text NOT NULL CHECK (octet_length(source) <= 255),
  observed_at  timestamptz NOT NULL,                                    -- it is as old as this says
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rates_newest ON rates (tenant, base, quote, observed_at DESC, id DESC);

-- Workflows that leave the ledger. What happened to one are its facts, which are in rows of the journal; this is what follows from them, and finds them.
CREATE TABLE sagas (
  id           uuid PRIMARY KEY,                                        -- the transaction that started it
  tenant       text NOT NULL,
  workflow     smallint NOT NULL,                                       -- 1 payout, 2 card top-up
  status       smallint NOT NULL CHECK (status BETWEEN 1 AND 5),        -- 1 processing, 2 compensating, 3 completed, 4 failed, 5 stuck
  facts        bigint[] NOT NULL DEFAULT '{}',                          -- the place of each, in order; two of one row have one
  wake_at      timestamptz,                                             -- when it goes on; null: it has ended, or is stuck
  asked        jsonb,                                                   -- what an operator says to it, who and why: whoever leads makes it a fact
  correlation  text,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  seq          bigint NOT NULL                                          -- the place of that transaction: lists are in this order
) WITH (fillfactor = 80);
CREATE INDEX sagas_due ON sagas (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX sagas_stuck ON sagas (tenant, updated_at, id) WHERE status = 5;
CREATE INDEX sagas_by_tenant ON sagas (tenant, seq);
CREATE INDEX sagas_by_correlation ON sagas (tenant, correlation, seq);

-- Who did what: changes that an operator made, and why.
CREATE TABLE operator_actions (
  id           uuid PRIMARY KEY,
  tenant       text NOT NULL,
  at           timestamptz NOT NULL,
  actor        text NOT NULL CHECK (octet_length(actor) <= 255),        -- the key's or the certificate's name
  action       text NOT NULL CHECK (octet_length(action) <= 64),
  subject      text NOT NULL CHECK (octet_length(subject) <= 255),
  reason       text NOT NULL CHECK (octet_length(reason) <= 1024),
  before       jsonb,
  after        jsonb,
  correlation  text
);
CREATE INDEX operator_actions_newest ON operator_actions (tenant, at, id);
CREATE INDEX operator_actions_by_subject ON operator_actions (tenant, subject, at, id);
CREATE INDEX operator_actions_by_action ON operator_actions (tenant, action, at, id);
CREATE INDEX operator_actions_by_both ON operator_actions (tenant, subject, action, at, id);

-- The journal's writers: the fence. A batch locks its writer's row first; whoever raises epoch or session shuts the older ones out.
CREATE TABLE writers (
  writer   int PRIMARY KEY,
  epoch    bigint NOT NULL DEFAULT 0,
  session  bigint NOT NULL DEFAULT 0,
  batch    bigint NOT NULL DEFAULT 16777215,                            -- the last one committed; the first there is is 2^24
  rows     bigint NOT NULL DEFAULT 0,                                   -- of that batch's partition
  pids     int[]                                                        -- the backends of the session, for pg_terminate_backend
) WITH (fillfactor = 10);

-- Who may write: one process at a time. The lease runs on the database's clock.
CREATE TABLE leadership (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch       bigint NOT NULL DEFAULT 0,
  holder      text NOT NULL DEFAULT '',
  expires_at  timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO leadership DEFAULT VALUES;

-- The copy of each publisher's position, a place in the journal: written after Kafka's commit, so never ahead of it.
CREATE TABLE outbox_positions (
  publisher   text PRIMARY KEY,
  position    bigint NOT NULL,
  cluster     text NOT NULL,                                            -- Kafka's cluster id
  system      text NOT NULL,                                            -- PostgreSQL's system identifier
  timeline    bigint NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Events that Kafka refused for themselves, whole, with the reason.
CREATE TABLE dead_letters (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq          bigint NOT NULL UNIQUE,                                  -- the event's place in the journal
  tenant       text NOT NULL,
  event        smallint NOT NULL,
  aggregate    text NOT NULL,                                           -- the message key
  body         text NOT NULL,
  error        text NOT NULL,
  retry_count  int NOT NULL,
  failed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  asked_at     timestamptz,                                             -- somebody asked for its replay
  replayed_as  bigint,                                                  -- the place of its replay
  replayed_at  timestamptz
);
CREATE INDEX dead_letters_asked ON dead_letters (asked_at, id) WHERE asked_at IS NOT NULL AND replayed_as IS NULL;

-- API keys: only the hash is kept.
CREATE TABLE api_keys (
  id          text PRIMARY KEY,
  tenant      text NOT NULL,
  hash        bytea NOT NULL,
  scopes      text[] NOT NULL,
  account_prefix  text CHECK (octet_length(account_prefix) BETWEEN 1 AND 128), -- it names only accounts whose ids begin so; null: any
  note        text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz,                                              -- null: it does not expire
  revoked_at  timestamptz
);

-- What only processes on this database know: they read each other's page tokens, and know by its MAC which API keys were
-- made here. That opens nothing, it only spares a look at api_keys for keys that are made up.
CREATE TABLE secrets (
  name    text PRIMARY KEY,
  secret  bytea NOT NULL CHECK (octet_length(secret) = 32)
);
INSERT INTO secrets SELECT name, sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
  FROM unnest(ARRAY['page tokens', 'API keys']) AS name;

-- Transactions as people ask for them: completed and declined ones.
CREATE VIEW transactions AS
  SELECT id, tenant, api, kind, status, request, key_text AS key, reference, description, metadata, correlation, follows,
      CASE status WHEN 2 THEN (body ->> 'code')::smallint END AS decline_code, CASE status WHEN 2 THEN body ->> 'message' END AS decline_message,
      created_at, made_by, made_from, seq, CASE WHEN postings > 0 THEN seq END AS first_seq, CASE WHEN postings > 0 THEN seq + postings - 1 END AS last_seq
    FROM journal WHERE n = 0 AND status <= 2 AND kind <= 20;

CREATE VIEW postings AS
  SELECT id AS transaction, n, seq, debit_account, credit_account, amount, debit_after AS debit_balance_after, credit_after AS credit_balance_after,
      created_at, debit_prev, credit_prev
    FROM journal WHERE amount IS NOT NULL;

-- What a declined transaction asked for, as it was asked.
CREATE VIEW declined_postings AS
  SELECT j.id AS transaction, (p.n - 1)::smallint AS n, j.tenant, p.posting ->> 'debit' AS debit_account, p.posting ->> 'credit' AS credit_account,
      (p.posting ->> 'amount')::numeric AS amount, p.posting ->> 'currency' AS currency
    FROM journal j, jsonb_array_elements(j.body -> 'postings') WITH ORDINALITY AS p(posting, n) WHERE j.status = 2 AND j.n = 0;

-- Each posting as its debit and its credit.
CREATE VIEW ledger_entries AS
  SELECT transaction, n, debit_account AS account, credit_account AS counter_account, -amount AS amount, seq, debit_balance_after AS balance_after, created_at FROM postings
  UNION ALL
  SELECT transaction, n, credit_account, debit_account, amount, seq, credit_balance_after, created_at FROM postings;

-- Each account's rows of the journal, money moved or not: what they moved and held, the balance after, the row before.
CREATE VIEW account_rows AS
  SELECT debit_account AS account, seq, id AS transaction, coalesce(-amount, 0) AS moved, coalesce(held, 0) AS held, debit_after AS balance_after, debit_prev AS previous
    FROM journal WHERE debit_prev IS NOT NULL
  UNION ALL
  SELECT credit_account, seq, id, coalesce(amount, 0), 0, credit_after, credit_prev FROM journal WHERE credit_prev IS NOT NULL;
