"""Packages are recorded from here on: those of the purchases that there are, as they were sold."""

from django.db import migrations

RECORD = """
INSERT INTO recorded_rules (name, numbers, recorded_at)
SELECT DISTINCT 'package ' || package_id, ARRAY[credits, usd_amount], now() FROM credit_purchases
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("purchases", "0003_provider_events"), ("economy", "0010_recorded_rules")]
    operations = [migrations.RunSQL(RECORD, migrations.RunSQL.noop)]
