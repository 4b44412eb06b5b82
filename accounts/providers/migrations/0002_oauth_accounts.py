"""Linked accounts in a table of ours, sign-ins of several providers, and codes that frontends finish sign-ins with."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import core.db.sql

# X was the one provider, and each of its users was made by it. Rows of the table of old stay where they are: processes
# of the release before this one look there until they are replaced.
LINKS_OF_X = """
INSERT INTO oauth_accounts (id, user_id, provider, provider_account_id, username, name, avatar_url, email, email_verified,
    fills_profile, linked_at, last_used_at)
SELECT gen_random_uuid(), users.id, 'x', uid, users.x_username, '', '', '', false, true, date_joined,
    greatest(date_joined, users.last_login_at)
FROM socialaccount_socialaccount JOIN users ON users.id = user_id
WHERE provider = 'twitter_oauth2' AND erased_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("x_sign_in", "0001_initial"),
        ("accounts", "0015_mail"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="oauthstate", name="provider", field=models.CharField(db_default="x", max_length=20)
        ),
        migrations.AddField(
            model_name="oauthstate",
            name="finish_hash",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="oauthstate",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.CreateModel(
            name="FormerOAuthAccount",
            fields=[("account_hash", models.CharField(max_length=64, primary_key=True, serialize=False))],
            options={"db_table": "former_oauth_accounts"},
        ),
        migrations.CreateModel(
            name="OAuthAccount",
            fields=[
                ("id", models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ("provider", models.CharField(max_length=20)),
                ("provider_account_id", models.CharField(max_length=64)),
                ("username", models.CharField(blank=True, default="", max_length=50)),
                ("name", models.CharField(blank=True, default="", max_length=100)),
                ("avatar_url", models.CharField(blank=True, default="", max_length=500)),
                ("email", models.CharField(blank=True, default="", max_length=254)),
                ("email_verified", models.BooleanField(default=False)),
                ("fills_profile", models.BooleanField(default=False)),
                ("linked_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="oauth_accounts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "oauth_accounts",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "provider_account_id"), name="oauth_accounts_account_unique"
                    ),
                    models.UniqueConstraint(fields=("user", "provider"), name="oauth_accounts_one_of_each_provider"),
                    models.CheckConstraint(
                        condition=models.Q(("provider__in", ("x", "google", "discord"))),
                        name="oauth_accounts_provider_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("provider_account_id", ""), _negated=True),
                        name="oauth_accounts_account_named",
                    ),
                ],
            },
        ),
        migrations.RunSQL(LINKS_OF_X, migrations.RunSQL.noop),
    ]
