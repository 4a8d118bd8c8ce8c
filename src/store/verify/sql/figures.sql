-- How much the ledger has. Keys count only where they are remembered.
SELECT
  (SELECT count(*) FROM accounts), j.completed, j.declined, j.postings, j.used, j.retired, j.events,
  (SELECT count(*) FROM dead_letters),
  (SELECT count(*) FROM sagas WHERE status = :saga_stuck)
FROM (
  SELECT
    coalesce(sum(p.completed), 0)::bigint,
    coalesce(sum(p.declined), 0)::bigint,
    coalesce(sum(p.postings), 0)::bigint,
    coalesce(sum(p.used) FILTER (WHERE k.keys), 0)::bigint,
    coalesce(sum(p.retired) FILTER (WHERE k.keys), 0)::bigint,
    coalesce(sum(p.events), 0)::bigint
  FROM (
    SELECT
      seq >> 44,
      count(*) FILTER (WHERE n = 0 AND status = :status_completed AND kind <= :kind_account_change),
      count(*) FILTER (WHERE n = 0 AND status = :status_declined),
      count(amount),
      count(key) FILTER (WHERE status <> :status_retired),
      count(key) FILTER (WHERE status = :status_retired),
      count(event) FILTER (WHERE n = 0)
    FROM journal
    GROUP BY 1
  ) p(number, completed, declined, postings, used, retired, events)
  LEFT JOIN journal_partitions k ON k.number = p.number
) j(completed, declined, postings, used, retired, events)
