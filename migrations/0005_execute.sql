-- PostgreSQL lets everybody execute a new function, and some of ours run as their owner: they drop partitions, empty keys and move events.
-- From here on only roles that were given it may execute them; `florin migrate --grant-to` gives it. A function of a later migration does the same.

REVOKE EXECUTE ON FUNCTION
  refuse_change, apply_deltas, commit_batch, switch_key_generation, raise_session, outbox_drawn, outbox_marker, outbox_grow, outbox_shrink, outbox_repair, take_leadership
  FROM PUBLIC;

-- Roles that serve already go on without a pause: those that were given INSERT on the lanes.
DO $$
DECLARE role_ regrole;
BEGIN
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'lanes'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION apply_deltas, commit_batch, switch_key_generation, raise_session, outbox_drawn, outbox_marker, outbox_grow, '
      'outbox_shrink, outbox_repair, take_leadership TO %s', role_);
  END LOOP;
END $$;
