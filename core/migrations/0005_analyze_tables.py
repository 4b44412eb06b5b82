"""Statistics on demand: only a table's owner collects them, and the service isn't it."""

from django.db import migrations

ANALYZE = """
CREATE FUNCTION analyze_tables(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('ANALYZE %I.%I', current_schema(), name);
    END LOOP;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0004_smaller_idempotency_keys")]
    operations = [migrations.RunSQL(ANALYZE, "DROP FUNCTION analyze_tables(text[])")]
