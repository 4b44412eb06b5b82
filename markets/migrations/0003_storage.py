"""How two tables are kept on disk."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("markets", "0002_tallies")]
    operations = [
        # Read again by every ingestion: nothing is lost with it.
        migrations.RunSQL(
            "ALTER TABLE market_staging SET UNLOGGED", "ALTER TABLE market_staging SET LOGGED"
        ),
        # Odds change every few seconds and are in no index: room on the page keeps such updates there (HOT).
        migrations.RunSQL("ALTER TABLE markets SET (fillfactor = 80)", "ALTER TABLE markets RESET (fillfactor)"),
    ]
