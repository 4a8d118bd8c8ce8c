-- Who may write: sessions of writers, and the lease.

-- Shuts out every older session of a writer, waiting for its batch within the caller's lock_timeout; pids_ are the
-- backends of the new one. Answers the new session, the last batch, the rows of its partition, and the backends of the
-- older one, or nothing when the epoch is no longer the caller's. Its name is asked too: a database that was put back
-- may have given the same epoch twice.
CREATE OR REPLACE FUNCTION raise_session(writer_ int, epoch_ bigint, holder_ text, pids_ int[]) RETURNS TABLE (session bigint, batch bigint, rows bigint, older int[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE pids_before int[];
BEGIN
  SELECT w.pids INTO pids_before FROM writers w WHERE w.writer = writer_ FOR UPDATE;
  RETURN QUERY UPDATE writers w SET session = w.session + 1, pids = pids_
    WHERE w.writer = writer_ AND w.epoch = epoch_ AND EXISTS (SELECT FROM leadership l WHERE l.epoch = epoch_ AND l.holder = holder_) RETURNING w.session, w.batch, w.rows, pids_before;
END $$;

-- Takes the lease when it has ended, was let go, or belonged to `dead_`; answers the new epoch, or whose it still is
-- and for how long. Raising the epoch of every writer is what shuts the older process out; the lease only says when it
-- may be tried.
CREATE OR REPLACE FUNCTION take_leadership(holder_ text, dead_ text, lease interval)
RETURNS TABLE (new_epoch bigint, held_by text, remaining_ms bigint) LANGUAGE plpgsql AS $$
DECLARE l leadership%ROWTYPE;
BEGIN
  SELECT * INTO l FROM leadership FOR UPDATE;
  IF l.expires_at > clock_timestamp() AND l.holder <> dead_ THEN
    RETURN QUERY SELECT NULL::bigint, l.holder, (extract(epoch FROM l.expires_at - clock_timestamp()) * 1000)::bigint;
    RETURN;
  END IF;
  UPDATE leadership SET epoch = l.epoch + 1, holder = holder_, expires_at = clock_timestamp() + lease;
  INSERT INTO writers (writer) VALUES (0) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM writers ORDER BY writer FOR UPDATE;                 -- waits out the batch in flight
  UPDATE writers SET epoch = l.epoch + 1, session = session + 1;
  RETURN QUERY SELECT l.epoch + 1, holder_, 0::bigint;
END $$;

-- Only roles that were given it may execute these: see `florin migrate --grant-to`.
REVOKE EXECUTE ON FUNCTION raise_session, take_leadership FROM PUBLIC;
