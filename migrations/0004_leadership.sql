-- Who may write. Raising the epoch in every lane row is what shuts the older process out; the lease only says when it may be tried.

-- Takes the lease when it has ended, was let go, or belonged to `dead_`; answers the new epoch, or whose it still is and for how long.
CREATE FUNCTION take_leadership(holder_ text, dead_ text, lease interval, lanes_ int)
RETURNS TABLE (new_epoch bigint, held_by text, remaining_ms bigint) LANGUAGE plpgsql AS $$
DECLARE l leadership%ROWTYPE; generation_ bigint;
BEGIN
  SELECT * INTO l FROM leadership FOR UPDATE;
  IF l.expires_at > clock_timestamp() AND l.holder <> dead_ THEN
    RETURN QUERY SELECT NULL::bigint, l.holder, (extract(epoch FROM l.expires_at - clock_timestamp()) * 1000)::bigint;
    RETURN;
  END IF;
  UPDATE leadership SET epoch = l.epoch + 1, holder = holder_, expires_at = clock_timestamp() + lease;
  SELECT max(generation) INTO generation_ FROM key_generations;
  INSERT INTO lanes (lane, generation) SELECT n, generation_ FROM generate_series(0, lanes_ - 1) AS n ON CONFLICT DO NOTHING;
  PERFORM 1 FROM lanes ORDER BY lane FOR UPDATE;                     -- waits out the batches in flight
  UPDATE lanes SET epoch = l.epoch + 1, session = session + 1, pid = NULL;
  RETURN QUERY SELECT l.epoch + 1, holder_, 0::bigint;
END $$;
