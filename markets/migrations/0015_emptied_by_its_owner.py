"""Only a table's owner, or whoever may empty others too, truncates: this does it to one table."""

from django.db import migrations

EMPTY = """
CREATE FUNCTION market_staging_empty() RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS 'TRUNCATE market_staging';
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0014_terms_and_suspension"), ("common", "0004_analyze_tables")]
    operations = [migrations.RunSQL(EMPTY, "DROP FUNCTION market_staging_empty()")]
