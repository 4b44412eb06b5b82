"""What the audit of the ledger checks of staff: who may move credits was made one by an action on record."""

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
