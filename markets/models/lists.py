from django.db import models

from markets.models.market import Market


class MarketEdition(models.Model):
    """One ordering of all open markets, made in one instant. A list and its cursors stay on one edition."""

    published_at = models.DateTimeField()

    class Meta:
        db_table = "market_editions"

    def __str__(self) -> str:
        return f"edition {self.pk}"


class MarketRanking(models.Model):
    """A market's place in an edition: positions count from 1 without gaps, over all and within the category."""

    class Sort(models.TextChoices):
        TRENDING = "trending"
        NEWEST = "newest"
        ENDING = "ending"
        LIQUIDITY = "liquidity"
        VOLUME = "volume"

    pk = models.CompositePrimaryKey("edition", "sort", "position")
    edition = models.BigIntegerField()
    sort = models.CharField(max_length=9, choices=Sort)
    position = models.IntegerField()
    category = models.CharField(max_length=50)
    category_position = models.IntegerField()
    market_id = models.UUIDField()

    class Meta:
        db_table = "market_rankings"
        constraints = [
            models.UniqueConstraint(
                fields=["edition", "sort", "category", "category_position"], name="market_rankings_category_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sort} {self.position}"


class MarketWatch(models.Model):
    """A market whose odds are worth keeping seconds old: somebody looks at it, or has a bet on it, until then."""

    market = models.OneToOneField(Market, on_delete=models.CASCADE, primary_key=True)
    watched_until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "market_watches"

    def __str__(self) -> str:
        return f"{self.market_id} until {self.watched_until}"
