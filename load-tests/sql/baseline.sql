-- What a user would build instead of Florin: the same facts, the same guarantees, the same indexes, in one table each. Texts and widths as
-- Florin's; totals in bigint, which is cheaper than Florin's numeric.

CREATE TABLE accounts (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name     text NOT NULL UNIQUE,
  debits   bigint NOT NULL DEFAULT 0,
  credits  bigint NOT NULL DEFAULT 0,
  floor    bigint NOT NULL DEFAULT 0,
  status   smallint NOT NULL DEFAULT 1,
  version  bigint NOT NULL DEFAULT 0,
  CHECK (credits - debits >= floor)
) WITH (fillfactor = 50);                                               -- room for HOT updates

CREATE TABLE keys (key uuid PRIMARY KEY, payment uuid NOT NULL, request uuid NOT NULL, status smallint NOT NULL);

CREATE TABLE payments (
  id          uuid PRIMARY KEY,                                         -- version 7: in order of time
  tenant      text NOT NULL,
  api         smallint NOT NULL,
  kind        smallint NOT NULL,
  status      smallint NOT NULL,
  request     uuid NOT NULL,
  key         text,
  created_at  timestamptz NOT NULL
);

-- Both entries of a payment in one row, as Florin has them: half the rows of a table of entries.
CREATE SEQUENCE entry_seq CACHE 1;
CREATE TABLE entries (
  payment               uuid PRIMARY KEY,
  seq                   bigint NOT NULL DEFAULT nextval('entry_seq'),   -- drawn while both accounts are locked: each account's order
  debit_account         bigint NOT NULL,
  credit_account        bigint NOT NULL,
  amount                bigint NOT NULL CHECK (amount > 0),
  debit_balance_after   bigint NOT NULL,
  credit_balance_after  bigint NOT NULL,
  created_at            timestamptz NOT NULL
);
CREATE INDEX entries_by_debit ON entries (debit_account, seq);
CREATE INDEX entries_by_credit ON entries (credit_account, seq);

CREATE TABLE outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event       smallint NOT NULL,
  aggregate   text NOT NULL,
  body        text NOT NULL,
  created_at  timestamptz NOT NULL
);

-- The whole payment in one call. Answers 1 paid, 2 declined, 3 the key was used before.
CREATE FUNCTION pay(key_ uuid, request_ uuid, id_ uuid, key_text_ text, payer_ text, payee_ text, cents_ bigint, aggregate_ text, body_ text, at_ timestamptz)
RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE a accounts%ROWTYPE; b accounts%ROWTYPE; r accounts%ROWTYPE;
BEGIN
  INSERT INTO keys (key, payment, request, status) VALUES (key_, id_, request_, 1) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN 3; END IF;
  FOR r IN SELECT * FROM accounts WHERE name IN (payer_, payee_) ORDER BY id FOR UPDATE LOOP
    IF r.name = payer_ THEN a := r; ELSE b := r; END IF;
  END LOOP;
  IF a.id IS NULL OR b.id IS NULL OR a.status <> 1 OR b.status <> 1 OR a.credits - a.debits - cents_ < a.floor THEN
    DELETE FROM keys WHERE key = key_;
    RETURN 2;
  END IF;
  UPDATE accounts SET debits = debits + CASE WHEN id = a.id THEN cents_ ELSE 0 END, credits = credits + CASE WHEN id = b.id THEN cents_ ELSE 0 END,
    version = version + 1 WHERE id IN (a.id, b.id);
  INSERT INTO payments (id, tenant, api, kind, status, request, key, created_at) VALUES (id_, 'default', 1, 1, 1, request_, key_text_, at_);
  INSERT INTO entries (payment, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at)
    VALUES (id_, a.id, b.id, cents_, a.credits - a.debits - cents_, b.credits - b.debits + cents_, at_);
  INSERT INTO outbox (event, aggregate, body, created_at) VALUES (1, aggregate_, body_, at_);
  RETURN 1;
END $$;
