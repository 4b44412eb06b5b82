"""What staff did is never changed; and the two roles."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION staff_actions_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What staff did is never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'staff_actions_append_only';
END
$$;
CREATE TRIGGER staff_actions_append_only BEFORE UPDATE OR DELETE ON staff_actions
    FOR EACH STATEMENT EXECUTE FUNCTION staff_actions_refuse_change();
CREATE TRIGGER staff_actions_never_emptied BEFORE TRUNCATE ON staff_actions
    FOR EACH STATEMENT EXECUTE FUNCTION staff_actions_refuse_change();
ALTER TABLE staff_actions ENABLE ALWAYS TRIGGER staff_actions_append_only;
ALTER TABLE staff_actions ENABLE ALWAYS TRIGGER staff_actions_never_emptied;
"""
UNDO = """
DROP TRIGGER staff_actions_never_emptied ON staff_actions;
DROP TRIGGER staff_actions_append_only ON staff_actions;
DROP FUNCTION staff_actions_refuse_change();
"""
ROLES = {
    "support": ("view_markets", "view_people", "suspend_users", "hold_credits"),
    "market managers": ("view_markets", "manage_house_markets", "decide_markets", "reverse_markets", "set_stock_prices"),
}


def make_roles(apps, schema_editor):
    """Makes the permissions too, which Django would add after the last migration, too late to be given to a role."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="accounts", model="staffaction"
    )
    permissions, groups = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group")
    for codename, name in apps.get_model("accounts", "StaffAction")._meta.permissions:
        permissions.objects.get_or_create(codename=codename, content_type=content_type, defaults={"name": name})
    for role, codenames in ROLES.items():
        group, _ = groups.objects.get_or_create(name=role)
        group.permissions.set(permissions.objects.filter(content_type=content_type, codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_staff"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.RunSQL(APPEND_ONLY, UNDO),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
