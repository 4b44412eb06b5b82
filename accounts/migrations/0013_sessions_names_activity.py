"""Sessions that end one by one, usernames that are held, days of activity, and what of a profile its person chose."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Lower, Now

SIGNED_IN = """
UPDATE refresh_tokens SET signed_in_at = family_began_at FROM (
    SELECT family, min(created_at) AS family_began_at FROM refresh_tokens GROUP BY family
) AS began WHERE began.family = refresh_tokens.family
"""
# Who signed in with X may have edited the profile since: nothing says whether. An avatar that isn't at X was chosen; so
# was none, where X has one. Names stay as they are.
AVATAR_CHOSEN = """
UPDATE users SET avatar_chosen = true
WHERE x_username <> '' AND avatar_url NOT LIKE 'https://pbs.twimg.com/%' OR x_username = '' AND avatar_url <> ''
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_notifications")]

    operations = [
        migrations.CreateModel(
            name="FormerUsername",
            fields=[
                ("username", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("held_until", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_usernames",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "former_usernames",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(username=Lower("username")), name="former_usernames_lower_case"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="user",
            name="avatar_chosen",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="name_chosen",
            field=models.BooleanField(db_default=True, default=True, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="earlier_active_days",
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="ended_sessions",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), db_default=[], default=list, editable=False, size=None
            ),
        ),
        migrations.AddField(
            model_name="refreshtoken", name="signed_in_at", field=models.DateTimeField(db_default=Now())
        ),
        migrations.AlterField(
            model_name="refreshtoken",
            name="revoked_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("replaced", "Replaced"),
                    ("reused", "Reused"),
                    ("logged_out", "Logged Out"),
                    ("ended_by_user", "Ended By User"),
                    ("ended_by_staff", "Ended By Staff"),
                    ("password_changed", "Password Changed"),
                    ("suspended", "Suspended"),
                ],
                default="",
                max_length=20,
            ),
        ),
        migrations.RunSQL(SIGNED_IN, migrations.RunSQL.noop),
        migrations.RunSQL(AVATAR_CHOSEN, migrations.RunSQL.noop),
    ]
