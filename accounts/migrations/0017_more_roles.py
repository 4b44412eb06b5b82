"""Permissions to export lists and to write notes, and the roles of finance and of auditors."""

from django.db import migrations

ROLES = {
    "support": ("view_markets", "view_people", "suspend_users", "hold_credits", "write_notes"),
    "market managers": (
        "view_markets",
        "manage_house_markets",
        "decide_markets",
        "reverse_markets",
        "set_stock_prices",
        "write_notes",
    ),
    "finance": ("view_markets", "view_people", "adjust_credits", "refund_purchases", "export_lists", "write_notes"),
    "auditors": ("view_markets", "view_people", "view_system", "export_lists"),
}


def make_roles(apps, schema_editor):
    """Makes the permissions too, which Django would add after the last migration, too late to be given to a role."""
    content_type = apps.get_model("contenttypes", "ContentType").objects.get(app_label="accounts", model="staffaction")
    permissions, groups = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group")
    for codename, name in apps.get_model("accounts", "StaffAction")._meta.permissions:
        permissions.objects.get_or_create(codename=codename, content_type=content_type, defaults={"name": name})
    for role, codenames in ROLES.items():
        group, _ = groups.objects.get_or_create(name=role)
        group.permissions.set(permissions.objects.filter(content_type=content_type, codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_leaving")]
    operations = [
        migrations.AlterModelOptions(
            name='staffaction',
            options={'default_permissions': (), 'permissions': [('view_markets', 'See markets, their bets and their stocks'), ('view_people', 'See users, their journals, rewards and purchases'), ('view_system', 'See jobs and what staff did'), ('manage_house_markets', 'Make and edit house markets'), ('decide_markets', 'Close, resolve and void markets'), ('reverse_markets', "Undo a market's settlement"), ('suspend_users', 'Suspend and restore users, and log them out everywhere'), ('hold_credits', "Put a user's credits on hold, and let them go"), ('adjust_credits', 'Give and take credits, and approve what another asked for'), ('refund_purchases', 'Refund purchases'), ('set_stock_prices', "Set a stock's price and status"), ('switch_jobs', 'Switch jobs on and off'), ('announce', 'Announce something to users, and withdraw it'), ('export_lists', 'Export lists as files'), ('write_notes', 'Write notes on users and markets')]},
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
