"""The row by which one process at a time is the price feed, and others see how it does."""

from django.db import models
from django.db.models import Q


class MarketFeed(models.Model):
    """The price feed: which process is it, until when unless it says so again, and how it does. One row at most.

    `heard_at`: what is known of every market that is fed is at least as new. Null until all connections were heard.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    holder = models.UUIDField()
    acquired_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    heard_at = models.DateTimeField(null=True)
    connections = models.IntegerField(default=0)
    tokens = models.IntegerField(default=0)
    trusted = models.IntegerField(default=0)  # of the tokens: those whose local book fits what the upstream says

    class Meta:
        db_table = "market_feed"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="market_feed_one_row")]

    def __str__(self) -> str:
        return f"feed {self.holder} until {self.expires_at}"
