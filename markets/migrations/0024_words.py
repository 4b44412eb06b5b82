"""Titles are searched by folded words, and `market_words` has all words there are, for typos.

A generated column can't be altered, only made anew. The patterns are those of `markets/words.py`.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.db import migrations, models

SPACES = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SIGNS = (
    r"\u0001-\u0008\u000e-\u001b\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u0084\u0086-\u009f\u00a1-\u00a9"
    r"\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02c2-\u02df\u055a-\u055f\u0589\u05be\u060c\u061b\u061f"
    r"\u066a-\u066d\u06d4\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2bff\u2e00-\u2e7f\u3001-\u3004\u3008-\u3020"
    r"\u3030\u30fb\ufe00-\ufe6f\ufeff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff"
    r"\U0001f000-\U0001faff\U000e0000-\U000e0fff"
)
CAPITALS = "łđøıðħŧŋĸſςŁĐØÐĦŦŊΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
PLAIN = "ldoidhtnksσldodhtnαβγδεζηθικλμνξοπρστυφχψωабвгдежзиклмнопрстуфхцчшщъыьэюя"
ASCII_SIGNS = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~"

# The event's title is empty for most of those that have none. A title of ASCII alone, as nearly all are, takes a third
# of the time without the rest.
VECTOR = rf"""
CREATE FUNCTION market_search_vector(title text, event_title text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    given text[] := ARRAY[title, event_title];
    weights "char"[] := ARRAY['A', 'B'];
    folded text;
    apart text;
    found tsvector := '';
BEGIN
    FOR number IN 1..2 LOOP
        folded := lower(given[number]);
        CONTINUE WHEN folded = '';
        IF octet_length(folded) <> char_length(folded) THEN
            folded := normalize(folded, NFD);
            folded := normalize(regexp_replace(folded, '[\u0300-\u036f]+', '', 'g'), NFC);
            folded := translate(lower(folded), '{CAPITALS}', '{PLAIN}');
            folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae');
            folded := replace(replace(replace(replace(folded, 'œ', 'oe'), 'Œ', 'oe'), 'þ', 'th'), 'Þ', 'th');
            folded := regexp_replace(folded, '[{SPACES}]+', ' ', 'g');
            apart := regexp_replace(folded, '[{SIGNS}]+', ' ', 'g');
        ELSE
            apart := translate(folded, '{ASCII_SIGNS}', '{" " * 32}');
        END IF;
        found := found || setweight(to_tsvector('pg_catalog.simple', apart), weights[number]);
        -- Words with signs inside are there without them, too.
        IF folded ~ '[^{SPACES}{SIGNS}][{SIGNS}]+[^{SPACES}{SIGNS}]' THEN
            apart := regexp_replace(folded, '[{SIGNS}]+', '', 'g');
            found := found || setweight(to_tsvector('pg_catalog.simple', apart), weights[number]);
        END IF;
    END LOOP;
    RETURN found;
END
$$
"""

# In one order, so that two statements never wait for each other in a circle.
LEARN = """
CREATE FUNCTION market_words_learn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        INSERT INTO market_words (word)
        SELECT added.word FROM (
            SELECT DISTINCT unnest(tsvector_to_array(new_rows.search)) COLLATE "C" AS word FROM new_rows
        ) AS added
        WHERE char_length(added.word) BETWEEN 3 AND 40
        AND NOT EXISTS (SELECT FROM market_words AS known WHERE known.word = added.word)
        ORDER BY added.word ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO market_words (word)
        SELECT added.word FROM (SELECT unnest(tsvector_to_array(NEW.search)) COLLATE "C" AS word) AS added
        WHERE char_length(added.word) BETWEEN 3 AND 40
        AND NOT EXISTS (SELECT FROM market_words AS known WHERE known.word = added.word)
        ORDER BY added.word ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER market_words_insert AFTER INSERT ON markets
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION market_words_learn();
CREATE TRIGGER market_words_update AFTER UPDATE ON markets FOR EACH ROW
    WHEN (old.title <> new.title OR old.event_title <> new.event_title) EXECUTE FUNCTION market_words_learn();
"""
FILL = """
INSERT INTO market_words (word)
SELECT DISTINCT word FROM markets, unnest(tsvector_to_array(search)) AS word WHERE char_length(word) BETWEEN 3 AND 40
"""
FORGET = """
DROP TRIGGER market_words_insert ON markets;
DROP TRIGGER market_words_update ON markets;
DROP FUNCTION market_words_learn();
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0023_lmsr")]
    operations = [
        migrations.CreateModel(
            name="MarketWord",
            fields=[("word", models.CharField(db_collation="C", max_length=40, primary_key=True, serialize=False))],
            options={
                "db_table": "market_words",
                "indexes": [
                    models.Index(django.db.models.functions.text.Reverse("word"), name="market_words_from_the_end")
                ],
            },
        ),
        migrations.RunSQL(VECTOR, "DROP FUNCTION market_search_vector(text, text)"),
        migrations.RemoveIndex(model_name="market", name="markets_search"),
        migrations.RemoveField(model_name="market", name="search"),
        migrations.AddField(
            model_name="market",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func("title", "event_title", function="market_search_vector"),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            model_name="market",
            index=django.contrib.postgres.indexes.GinIndex(fields=["search"], name="markets_search"),
        ),
        migrations.RunSQL(LEARN, FORGET),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
