-- Opens accounts with money, before all that Florin has written: a function of this session. It opens those of {prefix}{first} to {prefix}{last} that are
-- not there, and says how many. What they begin with is one transaction of kind topup under this id, paid by an account of its own, without key and event:
-- at most 32,767 accounts, since its rows are numbered by a smallint. Florin may run, but must not have paid from the account that pays, or to it: its
-- rows would not rise.
CREATE OR REPLACE FUNCTION pg_temp.open_accounts(id_ uuid, prefix_ text, first_ bigint, last_ bigint, balance_ numeric) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  source_ bigint;
  prior_ bigint;
  opened_ bigint;
BEGIN
  WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) VALUES ('default', 'florin-bulk-usd', 2, 2, 'USD')
      ON CONFLICT (tenant, name) DO NOTHING RETURNING id)
    INSERT INTO balances (account) SELECT id FROM made;
  SELECT id INTO STRICT source_ FROM accounts WHERE tenant = 'default' AND name = 'florin-bulk-usd';
  -- Whoever comes at the same time waits here, so that its batch has the higher number.
  PERFORM 1 FROM balances WHERE account = source_ FOR UPDATE;
  SELECT last_seq INTO STRICT prior_ FROM balances_of(ARRAY[source_]);
  IF prior_ >= 1::bigint << 44 THEN
    RAISE EXCEPTION 'florin-bulk-usd has been used since: nothing can be put before row %', prior_;
  END IF;
  WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT 'default', prefix_ || n, 1, 1, 'USD' FROM generate_series(first_, last_) n
      ON CONFLICT (tenant, name) DO NOTHING RETURNING id),
    numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS of FROM made),
    source AS (UPDATE balances SET debits = debits + balance_ * (SELECT count(*) FROM made), version = version + (SELECT count(*) FROM made),
        last_seq = (nextval('opening_batch') << 20) + (SELECT count(*) FROM made) - 1
      WHERE account = source_ AND balance_ > 0 AND EXISTS (SELECT FROM made) RETURNING credits - debits AS after, last_seq),
    funded AS (INSERT INTO balances (account, credits, floor, version, last_seq) SELECT n.id, balance_, 0, CASE WHEN balance_ > 0 THEN 1 ELSE 0 END,
      coalesce((SELECT last_seq FROM source) - n.of + 1 + n.n, 0) FROM numbered n),
    posted AS (INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, request, kind, status, api, n, postings, amount,
        debit_after, credit_after, tenant)
      SELECT p.last_seq - p.of + 1 + p.n, source_, p.id, CASE p.n WHEN 0 THEN prior_ ELSE p.last_seq - p.of + p.n END, 0, now(), id_,
        CASE p.n WHEN 0 THEN md5('request' || id_::text)::uuid END, 3, 1, 2, p.n, p.of, balance_, p.after + balance_ * (p.of - 1 - p.n), balance_, 'default'
      FROM (SELECT * FROM numbered CROSS JOIN source ORDER BY n) p)
    SELECT count(*) INTO STRICT opened_ FROM made;
  RETURN opened_;
END $$
