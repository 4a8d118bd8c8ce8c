-- Kinds, statuses, events and decline codes are those that this version knows: else a newer Florin wrote the row, or
-- none did.
SELECT 'unknown number', format('row %s of transaction %s', n, id), 'one that this version knows', w.found
FROM (
  SELECT n, id, kind, status, event, body,
    kind IN (:kinds) AS kind_known,
    status IN (:statuses) AS status_known,
    event IN (:events) AS event_known,
    status <> :status_declined
      OR CASE jsonb_typeof(body -> 'code') WHEN 'number' THEN (body ->> 'code')::numeric END IN (:decline_codes)
      AS code_known
  FROM journal
) j,
LATERAL (VALUES
  (kind_known, 'kind ' || kind),
  (status_known, 'status ' || status),
  (event_known, 'event ' || event),
  (code_known, 'decline code ' || (body ->> 'code'))
) w(known, found)
WHERE (kind_known AND status_known AND event_known AND code_known) IS FALSE
  AND w.known IS FALSE
