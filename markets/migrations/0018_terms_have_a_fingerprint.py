"""What a market was when it was first bet on is kept as a hash: whoever owned the table and changed it is found."""

from django.db import migrations, models

# As `markets_terms_never_change` and `markets_house_words_never_change` compare it.
FINGERPRINT = """
CREATE FUNCTION market_fingerprint(market markets) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        market.id, market.market_type, market.polymarket_id, market.this_token_id, market.that_token_id,
        market.this_option, market.that_option,
        CASE market.market_type WHEN 'credits' THEN jsonb_build_array(market.title, market.description) END
    )::text, 'UTF8'))
$$;
CREATE FUNCTION market_terms_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT market_fingerprint(markets) INTO NEW.fingerprint FROM markets WHERE id = NEW.market_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER market_terms_keep BEFORE INSERT ON market_terms FOR EACH ROW EXECUTE FUNCTION market_terms_keep();
ALTER TABLE market_terms ENABLE ALWAYS TRIGGER market_terms_keep;

ALTER TABLE market_terms DISABLE TRIGGER market_terms_append_only;
UPDATE market_terms SET fingerprint = market_fingerprint(markets) FROM markets WHERE markets.id = market_id;
ALTER TABLE market_terms ENABLE ALWAYS TRIGGER market_terms_append_only;
"""
UNDO = """
DROP TRIGGER market_terms_keep ON market_terms;
DROP FUNCTION market_terms_keep();
DROP FUNCTION market_fingerprint(markets);
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0017_numbers")]
    operations = [
        migrations.AddField(
            model_name="marketterms",
            name="fingerprint",
            field=models.BinaryField(db_default=models.Value(b""), editable=False, max_length=32),
        ),
        migrations.RunSQL(FINGERPRINT, UNDO),
    ]
