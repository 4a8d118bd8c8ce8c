-- What the fold keeps: see functions/fold.sql.

-- Up to where balances are folded. Partition 0 is not folded: its tools move the balances themselves.
CREATE TABLE folded (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq  bigint NOT NULL,
  at   timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
INSERT INTO folded (seq) VALUES ((1::bigint << 44) - 1);

-- Accounts about which memory and the database disagreed: rows behind first_seq, up to last_seq, are suspect. While it is not released the account takes no movements,
-- and events of those rows are dead letters.
CREATE TABLE quarantine (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account      bigint NOT NULL,                                         -- it may not be there
  first_seq    bigint NOT NULL,
  last_seq     bigint,                                                  -- when it was released
  found_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  reason       text NOT NULL,
  expected     text NOT NULL,
  found        text NOT NULL,
  released_at  timestamptz,
  released_by  text,
  why          text CHECK (octet_length(why) <= 1024)
);
CREATE UNIQUE INDEX quarantine_open ON quarantine (account) WHERE released_at IS NULL;
