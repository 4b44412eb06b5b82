"""Finding what happened in a span of time, in tables of apps below.

Journal, sales and trades only grow, in the order of time: a BRIN costs them next to nothing. A bet's end is set once.
"""

from django.db import migrations

INDEXES = {
    "credit_transactions_by_time": "credit_transactions USING brin (created_at) WITH (pages_per_range = 32, autosummarize)",
    "bet_sales_by_time": "bet_sales USING brin (created_at) WITH (pages_per_range = 32, autosummarize)",
    "stock_transactions_by_time": "stock_transactions USING brin (created_at) WITH (pages_per_range = 32, autosummarize)",
    "bets_by_end": "bets (resolved_at) WHERE status IN ('won', 'lost')",
    "settlements_by_reversal": "settlements (reversed_at) WHERE reversed_at IS NOT NULL",
}


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0001_initial"),
        ("betting", "0003_settlements"),
        ("economy", "0005_stock_rules"),
    ]
    operations = [
        migrations.RunSQL(f"CREATE INDEX {name} ON {what}", f"DROP INDEX {name}") for name, what in INDEXES.items()
    ]
