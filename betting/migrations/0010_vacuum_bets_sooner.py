from django.db import migrations


class Migration(migrations.Migration):
    """Vacuum `bets` after 2 % of its rows were changed, not 20 %.

    Settlement changes each bet once, and never in place: its status is indexed. A row's old version takes room until the
    table is vacuumed, then the next bets use that room.
    """

    dependencies = [("betting", "0009_settlement_records")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE bets SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)",
            "ALTER TABLE bets RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)",
        ),
    ]
