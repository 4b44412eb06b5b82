from django.conf import settings
from django.db import models
from django.db.models import Q

from markets.models.market import Market


class MarketResolution(models.Model):
    """Evidence: what was concluded about a market, by whom, from what, and when. Rows are added, never changed.

    One a conclusion that changed, not one a look: a market that waits for weeks has one row.
    """

    class Decision(models.TextChoices):
        OPEN = "open"  # closed here, but open upstream, or open again
        WAITING = "waiting"
        UNKNOWN = "unknown"
        UNCONFIRMED = "unconfirmed"
        DISAGREEMENT = "disagreement"
        HELD = "held"
        CLOSED = "closed"
        THIS = "this"
        THAT = "that"
        INVALID = "invalid"
        CANCELLED = "cancelled"
        REOPENED = "reopened"  # a result was undone

    class Source(models.TextChoices):
        POLYMARKET = "polymarket"
        STAFF = "staff"
        CLOCK = "clock"  # a house market reached its end

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="evidence", db_index=False)
    decision = models.CharField(max_length=12, choices=Decision)
    source = models.CharField(max_length=10, choices=Source)
    # Null as well when staff used a command.
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.TextField()
    # What both sources sent (`gamma`, `clob`), or the result that was undone (`undone`).
    facts = models.JSONField(default=dict)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "market_resolutions"
        indexes = [
            models.Index(fields=["market", "-id"], name="market_resolutions_latest"),
            models.Index(fields=["market"], condition=Q(decision="unknown"), name="market_resolutions_unknown"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    decision__in=[
                        *("open", "waiting", "unknown", "unconfirmed", "disagreement", "held"),
                        *("closed", "this", "that", "invalid", "cancelled", "reopened"),
                    ]
                ),
                name="market_resolutions_known_decision",
            ),
            models.CheckConstraint(
                condition=Q(source__in=["polymarket", "staff", "clock"]), name="market_resolutions_known_source"
            ),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="market_resolutions_with_reason"),
            models.CheckConstraint(
                condition=Q(source="staff") | Q(staff__isnull=True), name="market_resolutions_staff_by_staff"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}: {self.decision}"
