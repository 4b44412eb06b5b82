"""`market_tallies` counts markets by status and category, so that no list has to count rows."""

from django.db import migrations

COUNT = """
CREATE FUNCTION market_tallies_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, count(*) FROM new_rows GROUP BY status, category ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, -count(*) FROM old_rows GROUP BY status, category ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    ELSE
        -- In one order, so that two statements never wait for each other in a circle.
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, sum(change) FROM (
            SELECT status, category, 1 AS change FROM new_rows
            UNION ALL
            SELECT status, category, -1 FROM old_rows
        ) AS changes
        GROUP BY status, category HAVING sum(change) <> 0 ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER market_tallies_insert AFTER INSERT ON markets
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION market_tallies_count();
CREATE TRIGGER market_tallies_delete AFTER DELETE ON markets
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION market_tallies_count();
CREATE TRIGGER market_tallies_update AFTER UPDATE ON markets
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION market_tallies_count();
"""
UNDO = """
DROP TRIGGER market_tallies_update ON markets;
DROP TRIGGER market_tallies_delete ON markets;
DROP TRIGGER market_tallies_insert ON markets;
DROP FUNCTION market_tallies_count();
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0001_initial")]
    operations = [migrations.RunSQL(COUNT, UNDO)]
