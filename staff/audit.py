"""What the audit of the ledger checks of staff: who may move credits was made one by an action on record."""

from accounts.models import ROLES
from economy.ledger.audit import by_sql, register

STAFF = "SELECT count(*) FROM users WHERE is_staff OR is_superuser"
# Permissions that somebody has besides those of their roles are granted by nothing.
WITHOUT_ACTION = """
SELECT users.id FROM users LEFT JOIN (
    SELECT user_id, jsonb_agg(name ORDER BY name COLLATE "C") AS roles
    FROM users_groups JOIN auth_group ON auth_group.id = group_id GROUP BY user_id
) AS held ON held.user_id = users.id
LEFT JOIN (
    SELECT DISTINCT ON (target_id) target_id, after FROM staff_actions
    WHERE target_type = 'accounts.user' AND action IN ('create_superuser', 'set_roles', 'note_roles')
    ORDER BY target_id, id DESC
) AS newest ON newest.target_id = users.id::text
WHERE (is_staff OR is_superuser OR roles IS NOT NULL) AND (newest.after IS NULL OR newest.after IS DISTINCT FROM
    jsonb_build_object('staff', is_staff, 'superuser', is_superuser, 'roles', coalesce(roles, '[]')))
UNION
SELECT user_id FROM users_user_permissions
"""
register(
    by_sql(
        "staff_roles",
        "Every superuser and member of staff, and each of their roles, is as the newest staff action about it says.",
        examined=STAFF,
        breaches=WITHOUT_ACTION,
    )
)

# Of a role that isn't there nobody has anything. Permissions of other apps are given to none.
ROLE_PERMISSIONS = "SELECT count(*) FROM auth_group_permissions"
GIVEN = ", ".join(f"('{role}', 'accounts.staffaction.{each}')" for role, given in ROLES.items() for each in given)
UNLIKE_ROLES = f"""
SELECT role || ': ' || permission AS id FROM (
    SELECT auth_group.name AS role, concat_ws('.', app_label, model, codename) AS permission
    FROM auth_group_permissions JOIN auth_group ON auth_group.id = group_id
    JOIN auth_permission ON auth_permission.id = permission_id
    JOIN django_content_type ON django_content_type.id = content_type_id
) AS given WHERE (role, permission) NOT IN (VALUES {GIVEN})
"""  # noqa: S608 - constants
register(
    by_sql(
        "role_permissions",
        "No role has a permission that the service doesn't give it.",
        examined=ROLE_PERMISSIONS,
        breaches=UNLIKE_ROLES,
    )
)

# Whoever was erased can't sign in any more; the record of that names nobody. Who is leaving isn't suspended.
USERS = "SELECT count(*) FROM users"
SUSPENDED_UNLIKE_ACTIONS = """
SELECT users.id FROM (
    SELECT DISTINCT ON (target_id) target_id, (after ->> 'suspended')::boolean AS suspended FROM staff_actions
    WHERE target_type = 'accounts.user' AND action IN ('suspend_user', 'restore_user') ORDER BY target_id, id DESC
) AS newest FULL JOIN users ON users.id::text = target_id
WHERE erased_at IS NULL AND (is_active OR deletion_due_at IS NOT NULL) = coalesce(suspended, false)
"""
register(
    by_sql(
        "suspensions",
        "Who is suspended was by the newest staff action about it, and nobody else is.",
        examined=USERS,
        breaches=SUSPENDED_UNLIKE_ACTIONS,
    )
)
