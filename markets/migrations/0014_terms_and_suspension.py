"""What was bet on stays: token ids and option words are fixed, texts are kept, and suspended markets aren't counted."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# After the row was written, so that ordinary updates take no lock more. A bet holds a share lock on the market's row:
# whoever changes it has waited for the bet, and the function's own look at the terms sees it.
TERMS = """
CREATE FUNCTION markets_check_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM market_terms WHERE market_id = OLD.id) THEN
        RAISE EXCEPTION 'Market % was bet on: what it is stays.', OLD.id
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER markets_terms_never_change AFTER UPDATE ON markets FOR EACH ROW
WHEN ((OLD.id, OLD.market_type, OLD.polymarket_id, OLD.this_token_id, OLD.that_token_id, OLD.this_option, OLD.that_option)
    IS DISTINCT FROM
    (NEW.id, NEW.market_type, NEW.polymarket_id, NEW.this_token_id, NEW.that_token_id, NEW.this_option, NEW.that_option))
EXECUTE FUNCTION markets_check_terms();
-- What a house market asks is the house's to word, and fixed as well.
CREATE TRIGGER markets_house_words_never_change AFTER UPDATE ON markets FOR EACH ROW
WHEN (OLD.market_type = 'credits' AND (OLD.title, OLD.description) IS DISTINCT FROM (NEW.title, NEW.description))
EXECUTE FUNCTION markets_check_terms();

CREATE FUNCTION markets_keep_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO market_texts (market_id, title, description, shown_at, replaced_at)
    SELECT OLD.id, OLD.title, OLD.description,
        coalesce(
            (SELECT replaced_at FROM market_texts WHERE market_id = OLD.id ORDER BY id DESC LIMIT 1), min(fixed_at)
        ),
        CASE WHEN NEW.updated_at IS DISTINCT FROM OLD.updated_at THEN NEW.updated_at ELSE now() END
    FROM market_terms WHERE market_id = OLD.id HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER markets_texts_kept AFTER UPDATE ON markets FOR EACH ROW
WHEN ((OLD.title, OLD.description) IS DISTINCT FROM (NEW.title, NEW.description))
EXECUTE FUNCTION markets_keep_text();

CREATE TRIGGER market_terms_append_only BEFORE UPDATE OR DELETE ON market_terms
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_terms_never_emptied BEFORE TRUNCATE ON market_terms
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_texts_append_only BEFORE UPDATE OR DELETE ON market_texts
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_texts_never_emptied BEFORE TRUNCATE ON market_texts
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
ALTER TABLE markets ENABLE ALWAYS TRIGGER markets_terms_never_change;
ALTER TABLE markets ENABLE ALWAYS TRIGGER markets_house_words_never_change;
ALTER TABLE markets ENABLE ALWAYS TRIGGER markets_texts_kept;
ALTER TABLE market_terms ENABLE ALWAYS TRIGGER market_terms_append_only;
ALTER TABLE market_terms ENABLE ALWAYS TRIGGER market_terms_never_emptied;
ALTER TABLE market_texts ENABLE ALWAYS TRIGGER market_texts_append_only;
ALTER TABLE market_texts ENABLE ALWAYS TRIGGER market_texts_never_emptied;
"""
UNDO_TERMS = """
DROP TRIGGER market_texts_never_emptied ON market_texts;
DROP TRIGGER market_texts_append_only ON market_texts;
DROP TRIGGER market_terms_never_emptied ON market_terms;
DROP TRIGGER market_terms_append_only ON market_terms;
DROP TRIGGER markets_texts_kept ON markets;
DROP FUNCTION markets_keep_text();
DROP TRIGGER markets_house_words_never_change ON markets;
DROP TRIGGER markets_terms_never_change ON markets;
DROP FUNCTION markets_check_terms();
"""

# As in 0002, without what no list shows: `{listed}` is the condition.
COUNT = """
CREATE OR REPLACE FUNCTION market_tallies_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, count(*) FROM new_rows WHERE {listed}
        GROUP BY status, category ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, -count(*) FROM old_rows WHERE {listed}
        GROUP BY status, category ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    ELSE
        -- In one order, so that two statements never wait for each other in a circle.
        INSERT INTO market_tallies AS tally (status, category, markets)
        SELECT status, category, sum(change) FROM (
            SELECT status, category, 1 AS change FROM new_rows WHERE {listed}
            UNION ALL
            SELECT status, category, -1 FROM old_rows WHERE {listed}
        ) AS changes
        GROUP BY status, category HAVING sum(change) <> 0 ORDER BY status, category
        ON CONFLICT (status, category) DO UPDATE SET markets = tally.markets + excluded.markets;
    END IF;
    RETURN NULL;
END
$$
"""
LISTED = "NOT (status = 'open' AND suspended_reason <> '')"


class Migration(migrations.Migration):

    dependencies = [
        ('markets', '0013_upstream_ids_up_to_200'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MarketTerms',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('market', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='terms', to='markets.market')),
                ('fixed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'market_terms',
                'indexes': [models.Index(fields=['market'], name='market_terms_of_market')],
            },
        ),
        migrations.CreateModel(
            name='MarketText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=500)),
                ('description', models.TextField()),
                ('shown_at', models.DateTimeField()),
                ('replaced_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'market_texts',
            },
        ),
        migrations.RemoveConstraint(
            model_name='marketresolution',
            name='market_resolutions_known_decision',
        ),
        migrations.AddField(
            model_name='market',
            name='suspended_reason',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='stagedmarket',
            name='problem',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AlterField(
            model_name='marketresolution',
            name='decision',
            field=models.CharField(choices=[('open', 'Open'), ('waiting', 'Waiting'), ('unknown', 'Unknown'), ('unconfirmed', 'Unconfirmed'), ('disagreement', 'Disagreement'), ('held', 'Held'), ('closed', 'Closed'), ('this', 'This'), ('that', 'That'), ('invalid', 'Invalid'), ('cancelled', 'Cancelled'), ('reopened', 'Reopened'), ('changed', 'Changed')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('upstream_checked_at'), models.F('id'), condition=models.Q(('market_type', 'polymarket'), ('status', 'resolved')), name='markets_reviewed'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(condition=models.Q(('status', 'open'), models.Q(('suspended_reason', ''), _negated=True)), fields=['-id'], name='markets_suspended'),
        ),
        migrations.AddIndex(
            model_name='marketresolution',
            index=models.Index(condition=models.Q(('decision', 'changed')), fields=['market'], name='market_resolutions_changed'),
        ),
        migrations.AddConstraint(
            model_name='marketresolution',
            constraint=models.CheckConstraint(condition=models.Q(('decision__in', ['open', 'waiting', 'unknown', 'unconfirmed', 'disagreement', 'held', 'closed', 'this', 'that', 'invalid', 'cancelled', 'reopened', 'changed'])), name='market_resolutions_known_decision'),
        ),
        migrations.AddField(
            model_name='markettext',
            name='market',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='texts', to='markets.market'),
        ),
        migrations.AddIndex(
            model_name='markettext',
            index=models.Index(fields=['market', '-id'], name='market_texts_of_market'),
        ),
        migrations.RunSQL(TERMS, UNDO_TERMS),
        migrations.RunSQL(COUNT.format(listed=LISTED), COUNT.format(listed="true")),
    ]
