-- What is in the journal but is no transaction: openings of accounts, and replayed events.
WITH others AS MATERIALIZED (
  SELECT seq, id, tenant, kind, body ->> 'name' AS name, body ->> 'currency' AS currency
  FROM journal
  WHERE kind > :kind_account_change AND n = 0
)
-- What was opened is an account, in the same currency.
SELECT 'opening', format('account %s of %s', o.name, o.tenant),
  'an account in ' || coalesce(o.currency, 'no currency'),
  coalesce('one in ' || a.currency, 'none')
FROM others o
LEFT JOIN accounts a ON a.tenant = o.tenant AND a.name = o.name
WHERE o.kind = :kind_account_opening AND (a.currency = o.currency) IS NOT TRUE
UNION ALL
-- A dead letter is an event of the journal.
SELECT 'dead letter', 'dead letter ' || d.id,
  'an event of ' || d.tenant,
  CASE
    WHEN j.seq IS NULL THEN 'none'
    ELSE format('event %s of %s', coalesce(j.event::text, 'none'), j.tenant)
  END || ' at row ' || d.seq
FROM dead_letters d
LEFT JOIN journal j ON j.seq = d.seq AND j.n = 0
WHERE (j.event IS NOT NULL AND j.tenant = d.tenant) IS NOT TRUE
UNION ALL
-- A replay is of a dead letter that knows of it.
SELECT 'replay', coalesce('dead letter ' || d.id, 'transaction ' || o.id),
  coalesce('a replay at row ' || d.replayed_as, 'a dead letter'),
  coalesce('a replay at row ' || o.seq, 'none')
FROM (
  SELECT * FROM others WHERE kind = :kind_replay
) o
FULL JOIN (
  SELECT * FROM dead_letters WHERE replayed_as IS NOT NULL
) d ON d.replayed_as = o.seq
WHERE o.seq IS NULL OR d.id IS NULL
