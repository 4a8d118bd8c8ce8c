-- The ledger: accounts and their balances, transactions and postings (append-only), idempotency keys,
-- lanes (the fence of the journal), leadership, the outbox and what could not be published.

-- Exponents are data: a new currency is a row.
CREATE TABLE currencies (
  code      text PRIMARY KEY CHECK (code ~ '^[A-Z0-9]{2,12}$'),
  exponent  smallint NOT NULL CHECK (exponent BETWEEN 0 AND 18),
  name      text NOT NULL,
  fiat      boolean NOT NULL
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
  metadata     text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant, name)
);

-- What changes, and the last guard: whatever the actors believe, these checks hold. Totals only grow; a balance is credits less debits.
CREATE TABLE balances (
  account   bigint PRIMARY KEY REFERENCES accounts,
  debits    numeric(38,0) NOT NULL DEFAULT 0 CHECK (debits >= 0),
  credits   numeric(38,0) NOT NULL DEFAULT 0 CHECK (credits >= 0),
  held      numeric(28,0) NOT NULL DEFAULT 0 CHECK (held >= 0),
  floor     numeric(28,0),
  ceiling   numeric(28,0),
  status    smallint NOT NULL DEFAULT 1 CHECK (status BETWEEN 1 AND 3), -- active, suspended, closed
  version   bigint NOT NULL DEFAULT 0,
  CONSTRAINT balance_floor CHECK (floor IS NULL OR credits - debits - held >= floor),
  CONSTRAINT balance_ceiling CHECK (ceiling IS NULL OR credits - debits <= ceiling),
  CONSTRAINT balance_range CHECK (abs(credits - debits) < 1e28),
  CONSTRAINT balance_closed CHECK (status <> 3 OR (credits = debits AND held = 0))
) WITH (fillfactor = 50);                                               -- room for HOT updates

CREATE TABLE transactions (
  id               uuid PRIMARY KEY,                                    -- version 7: in order of time; never dropped
  tenant           text NOT NULL,
  api              smallint NOT NULL,
  kind             smallint NOT NULL,
  status           smallint NOT NULL,                                   -- 1 completed, 2 declined
  request          uuid NOT NULL,                                       -- hash of what was asked
  key              text,
  reference        text,
  description      text,
  metadata         text,
  correlation      text,
  decline_code     smallint,
  decline_message  text,
  created_at       timestamptz NOT NULL
);
CREATE INDEX transactions_by_reference ON transactions (tenant, reference, id) WHERE reference IS NOT NULL;

CREATE TABLE postings (
  transaction           uuid NOT NULL,
  n                     smallint NOT NULL,
  seq                   bigint NOT NULL,                                -- order of commitment within an account
  debit_account         bigint NOT NULL,
  credit_account        bigint NOT NULL,
  amount                numeric(28,0) NOT NULL CHECK (amount > 0),
  debit_balance_after   numeric(38,0) NOT NULL,                         -- between two postings of one transaction it may pass 28 digits
  credit_balance_after  numeric(38,0) NOT NULL,
  created_at            timestamptz NOT NULL,
  PRIMARY KEY (transaction, n),
  CHECK (debit_account <> credit_account)
);
CREATE SEQUENCE posting_seq CACHE 1;
CREATE INDEX postings_by_debit ON postings (debit_account, seq);
CREATE INDEX postings_by_credit ON postings (credit_account, seq);

-- What a declined transaction asked for, as it was asked: its accounts need not exist.
CREATE TABLE declined_postings (
  transaction     uuid NOT NULL,
  n               smallint NOT NULL,
  tenant          text NOT NULL,
  debit_account   text NOT NULL,
  credit_account  text NOT NULL,
  amount          numeric(28,0) NOT NULL,
  currency        text NOT NULL,
  PRIMARY KEY (transaction, n)
);
CREATE INDEX declined_by_debit ON declined_postings (tenant, debit_account, transaction);
CREATE INDEX declined_by_credit ON declined_postings (tenant, credit_account, transaction);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'FL010';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON declined_postings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Each posting as its debit and its credit.
CREATE VIEW ledger_entries AS
  SELECT transaction, n, seq, debit_account AS account, credit_account AS counter_account, -amount AS amount, debit_balance_after AS balance_after, created_at FROM postings
  UNION ALL
  SELECT transaction, n, seq, credit_account, debit_account, amount, credit_balance_after, created_at FROM postings;

-- Keys: two generations. A key is the hash of API, tenant and the caller's text (or the transaction's own id). The current
-- generation's parity names the table; a switch empties the other one, which by then is older than the retention.
CREATE TABLE keys_even (key uuid PRIMARY KEY, transaction uuid NOT NULL, request uuid NOT NULL, status smallint NOT NULL); -- status 3: tombstone
CREATE TABLE keys_odd  (key uuid PRIMARY KEY, transaction uuid NOT NULL, request uuid NOT NULL, status smallint NOT NULL);
CREATE TABLE key_generations (generation bigint PRIMARY KEY, started_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO key_generations (generation) VALUES (0);

-- One row per journal lane: the fence. A batch locks its row first; whoever raises epoch or session shuts the older ones out.
CREATE TABLE lanes (
  lane        int PRIMARY KEY,
  epoch       bigint NOT NULL DEFAULT 0,
  session     bigint NOT NULL DEFAULT 0,
  generation  bigint NOT NULL DEFAULT 0,
  pid         int                                                       -- the backend of the session, for pg_terminate_backend
) WITH (fillfactor = 10);

-- Who may write: one process at a time. The lease runs on the database's clock.
CREATE TABLE leadership (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch       bigint NOT NULL DEFAULT 0,
  holder      text NOT NULL DEFAULT '',
  expires_at  timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO leadership DEFAULT VALUES;

-- Events on their way to Kafka. Partitions by id leave by DROP; the default one only catches what outran the housekeeping.
CREATE SEQUENCE outbox_id CACHE 1;
CREATE TABLE outbox (
  id          bigint NOT NULL DEFAULT nextval('outbox_id') PRIMARY KEY,
  event       smallint NOT NULL,                                        -- which event: its type and topic are code
  aggregate   text NOT NULL,                                            -- the message key
  body        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (id);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- The copy of each publisher's position: written after Kafka's commit, so never ahead of it.
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
  outbox_id    bigint NOT NULL UNIQUE,
  event        smallint NOT NULL,
  aggregate    text NOT NULL,
  body         text NOT NULL,
  error        text NOT NULL,
  retry_count  int NOT NULL,
  failed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  replayed_as  bigint,                                                  -- the outbox id of its replay
  replayed_at  timestamptz
);

-- API keys: only the hash is kept.
CREATE TABLE api_keys (
  id          text PRIMARY KEY,
  tenant      text NOT NULL,
  hash        bytea NOT NULL,
  scopes      text[] NOT NULL,
  note        text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at  timestamptz
);
