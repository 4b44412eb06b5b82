"""The index of each user's sessions."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Others write meanwhile.
    atomic = False

    dependencies = [("accounts", "0013_sessions_names_activity")]

    operations = [
        AddIndexConcurrently(
            model_name="refreshtoken",
            index=models.Index(
                fields=["user", "-created_at"],
                condition=models.Q(first_used_at=None, revoked_at=None),
                name="refresh_tokens_sessions",
            ),
        ),
    ]
