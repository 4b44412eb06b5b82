from django.db import migrations, models
from django.db.models import F, Q

PRICE = {"decimal_places": 4, "max_digits": 5, "null": True}
RULES = {
    "markets_bid_in_range": Q(bid__range=(0, 1)),
    "markets_ask_in_range": Q(ask__range=(0, 1)),
    "markets_bid_below_ask": Q(bid__lt=F("ask")),
    "markets_house_prices_not_stored": Q(market_type="polymarket") | Q(bid__isnull=True, ask__isnull=True),
}


class Migration(migrations.Migration):
    """Adds bid and ask, unknown until the next ingestion. PostgreSQL rewrites no row for it."""

    dependencies = [("markets", "0014_terms_and_suspension")]

    operations = [
        *(
            migrations.AddField(model_name=model, name=name, field=models.DecimalField(**PRICE))
            for model in ("market", "stagedmarket")
            for name in ("bid", "ask")
        ),
        *(
            migrations.AddConstraint(
                model_name="market", constraint=models.CheckConstraint(condition=condition, name=name)
            )
            for name, condition in RULES.items()
        ),
    ]
