-- Accounts that are opened with an event, currencies that are made and changed by call, lists of what operators did.

-- Opens an account, unless there is one of that name; answers its number, or null. The outbox comes last: its id is drawn when the account's row is
-- written, so that a publisher's marker sees a transaction that may still commit. The currency stays in use until this commits.
-- Errors: FL007 the currency takes no new accounts.
CREATE FUNCTION open_account(
  tenant_ text, name_ text, kind_ smallint, normal_side_ smallint, currency_ text, owner_ text, owner_type_ text, subtype_ text, metadata_ text,
  floor_ numeric, ceiling_ numeric, event_ smallint, body_ text
) RETURNS bigint LANGUAGE plpgsql SET jit = off AS $$
DECLARE id_ bigint;
BEGIN
  INSERT INTO accounts (tenant, name, kind, normal_side, currency, owner, owner_type, subtype, metadata)
    VALUES (tenant_, name_, kind_, normal_side_, currency_, owner_, owner_type_, subtype_, metadata_)
    ON CONFLICT (tenant, name) DO NOTHING RETURNING id INTO id_;
  IF id_ IS NULL THEN RETURN NULL; END IF;
  PERFORM FROM currencies WHERE code = currency_ AND active FOR SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the currency takes no new accounts' USING ERRCODE = 'FL007'; END IF;
  INSERT INTO balances (account, floor, floor_from, ceiling, ceiling_from)
    VALUES (id_, floor_, CASE WHEN floor_ > 0 THEN 0 END, ceiling_, CASE WHEN ceiling_ < 0 THEN 0 END);
  IF event_ IS NOT NULL THEN
    INSERT INTO outbox (event, aggregate, body) VALUES (event_, name_, body_);
  END IF;
  RETURN id_;
END $$;

-- An operator's action by what it was, and by what it was done to as well.
CREATE INDEX operator_actions_by_action ON operator_actions (tenant, action, at, id);
CREATE INDEX operator_actions_by_both ON operator_actions (tenant, subject, action, at, id);

REVOKE EXECUTE ON FUNCTION open_account FROM PUBLIC;

-- Roles that serve already go on without a pause.
DO $$
DECLARE role_ regrole;
BEGIN
  FOR role_ IN SELECT DISTINCT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'lanes'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION open_account TO %s', role_);
    EXECUTE format('GRANT INSERT, UPDATE ON currencies TO %s', role_);
  END LOOP;
END $$;
