"""Evidence is added and never changed, whoever asks."""

from django.db import migrations

KEEP = """
CREATE FUNCTION market_resolutions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Evidence is kept as it was: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;
CREATE TRIGGER market_resolutions_append_only BEFORE UPDATE OR DELETE ON market_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_resolutions_never_emptied BEFORE TRUNCATE ON market_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
ALTER TABLE market_resolutions ENABLE ALWAYS TRIGGER market_resolutions_append_only;
ALTER TABLE market_resolutions ENABLE ALWAYS TRIGGER market_resolutions_never_emptied;
"""
UNDO = """
DROP TRIGGER market_resolutions_never_emptied ON market_resolutions;
DROP TRIGGER market_resolutions_append_only ON market_resolutions;
DROP FUNCTION market_resolutions_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0006_resolutions")]
    operations = [migrations.RunSQL(KEEP, UNDO)]
