-- Each change of an account is an operator's action, and each such action is a change.
SELECT 'operator action',
  format(
    '%s of %s of %s',
    coalesce(a.action, 'change'), coalesce(a.subject, 'an account'), coalesce(a.tenant, t.tenant)
  ),
  'transaction ' || coalesce(a.id, t.id),
  CASE WHEN a.id IS NULL THEN 'one of nobody' WHEN t.id IS NULL THEN 'none' ELSE 'one of ' || t.tenant END
FROM (
  SELECT * FROM operator_actions WHERE action IN ('account.status', 'account.limits', 'account.change')
) a
FULL JOIN (
  SELECT id, tenant FROM journal WHERE kind = :kind_account_change AND status = :status_completed AND n = 0
) t ON t.id = a.id
WHERE a.tenant IS DISTINCT FROM t.tenant
