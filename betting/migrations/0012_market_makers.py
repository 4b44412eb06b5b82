"""Market makers: what prices house markets. What the database refuses of them besides the constraints."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import core.columns

TOO_MANY = 10**16
RULES = """
-- Each bet changes the row: there is room for its versions on its page.
ALTER TABLE market_makers SET (fillfactor = 50);
CREATE TRIGGER market_makers_never_shallower BEFORE UPDATE ON market_makers FOR EACH ROW
WHEN (OLD.market_id <> NEW.market_id OR NEW.subsidy < OLD.subsidy OR NEW.b < OLD.b
    OR (NEW.subsidy = OLD.subsidy AND (NEW.b, NEW.tilt) IS DISTINCT FROM (OLD.b, OLD.tilt)))
EXECUTE FUNCTION bets_refuse('liquidity is added with a subsidy, and never taken away.');
CREATE TRIGGER market_makers_never_deleted BEFORE DELETE ON market_makers FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('market makers are kept.');
CREATE TRIGGER market_makers_never_emptied BEFORE TRUNCATE ON market_makers FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('market makers are kept.');
ALTER TABLE market_makers ENABLE ALWAYS TRIGGER market_makers_never_shallower;
ALTER TABLE market_makers ENABLE ALWAYS TRIGGER market_makers_never_deleted;
ALTER TABLE market_makers ENABLE ALWAYS TRIGGER market_makers_never_emptied;
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0011_shares")]
    operations = [
        migrations.CreateModel(
            name="MarketMaker",
            fields=[
                (
                    "market",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="maker",
                        serialize=False,
                        to="markets.market",
                    ),
                ),
                ("b", models.DecimalField(decimal_places=8, max_digits=24)),
                ("tilt", models.DecimalField(decimal_places=20, max_digits=30)),
                ("subsidy", core.columns.credits_column()),
                ("q_this", core.columns.credits_column(default=0, db_default=0)),
                ("q_that", core.columns.credits_column(default=0, db_default=0)),
                ("collected", core.columns.credits_column(default=0, db_default=0)),
                ("open_stake", core.columns.credits_column(default=0, db_default=0)),
            ],
            options={"db_table": "market_makers"},
        ),
        migrations.AddConstraint(
            model_name="marketmaker",
            constraint=models.CheckConstraint(
                condition=Q(b__gt=0, b__lt=TOO_MANY, subsidy__gt=0, subsidy__lt=TOO_MANY)
                & Q(tilt__gt=-(10**9), tilt__lt=10**9, collected__lt=TOO_MANY)
                & Q(q_this__gte=0, q_this__lt=TOO_MANY, q_that__gte=0, q_that__lt=TOO_MANY)
                & Q(open_stake__gte=0, open_stake__lt=TOO_MANY),
                name="market_makers_hold_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketmaker",
            constraint=models.CheckConstraint(
                condition=Q(q_this__lte=F("collected") + F("subsidy"), q_that__lte=F("collected") + F("subsidy")),
                name="market_makers_lose_the_subsidy_at_most",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
