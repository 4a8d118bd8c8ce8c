-- Ids of version 8 are those of `derived`, at the same places.
SELECT 'derived id', 'transaction ' || coalesce(j.id, d.id),
  coalesce('at row ' || j.seq, 'none'),
  coalesce('at row ' || d.seq, 'none')
FROM (
  SELECT id, seq FROM journal WHERE n = 0 AND get_byte(uuid_send(id), 6) >> 4 = 8
) j
FULL JOIN derived d ON d.id = j.id
WHERE j.seq IS DISTINCT FROM d.seq
