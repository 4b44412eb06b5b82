"""The first bet on a market fixes what the market is: `market_terms` has a row of each market that was bet on."""

from django.db import migrations

# Of two first bets at once each adds a row: with a unique key one would wait for the other's commit.
FIX = """
CREATE FUNCTION bets_fix_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM market_terms WHERE market_id = NEW.market_id) THEN
        INSERT INTO market_terms (market_id, fixed_at) VALUES (NEW.market_id, NEW.placed_at);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER bets_fix_terms AFTER INSERT ON bets FOR EACH ROW EXECUTE FUNCTION bets_fix_terms();
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_fix_terms;

INSERT INTO market_terms (market_id, fixed_at)
SELECT market_id, min(placed_at) FROM bets GROUP BY market_id;
"""
UNDO = """
DROP TRIGGER bets_fix_terms ON bets;
DROP FUNCTION bets_fix_terms();
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0006_reversed_by_command"), ("markets", "0014_terms_and_suspension")]
    operations = [migrations.RunSQL(FIX, UNDO)]
