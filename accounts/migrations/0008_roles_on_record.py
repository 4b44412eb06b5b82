"""Record a staff action for everybody who is staff already: from here on each is made by one."""

from django.db import migrations

NOTE_ROLES = """
INSERT INTO staff_actions (created_at, action, target_type, target_id, reason, before, after)
SELECT now(), 'note_roles', 'accounts.user', users.id::text, 'Was there before this was recorded.', '{}',
    jsonb_build_object('staff', is_staff, 'superuser', is_superuser, 'roles', coalesce(roles, '[]'))
FROM users LEFT JOIN (
    SELECT user_id, jsonb_agg(name ORDER BY name COLLATE "C") AS roles
    FROM users_groups JOIN auth_group ON auth_group.id = group_id GROUP BY user_id
) AS held ON held.user_id = users.id
WHERE (is_staff OR is_superuser OR roles IS NOT NULL) AND NOT EXISTS (
    SELECT FROM staff_actions
    WHERE target_type = 'accounts.user' AND target_id = users.id::text AND action = 'set_roles'
)
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_erasure")]
    operations = [migrations.RunSQL(NOTE_ROLES, migrations.RunSQL.noop)]
