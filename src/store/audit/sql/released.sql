-- Releases account $1 from quarantine, up to place $4: by $2, because of $3.
UPDATE quarantine
SET released_at = clock_timestamp(), released_by = $2, why = $3, last_seq = $4
WHERE account = $1 AND released_at IS NULL
