"""Markets that end, and what is then known of their bets."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from betting import settlement
from betting.models import Bet
from betting.settlement import SettlementSummary
from markets.models import Market
from markets.resolution.records import Record, Source, add_records

ENDED = datetime(2026, 3, 5, 12, tzinfo=UTC)


def end(market: Market, resolution: str = "this", *, status: str = "resolved") -> None:
    """The market's outcome is known, and on record."""
    now, decision = timezone.now(), resolution if status == "resolved" else status
    with transaction.atomic():
        Market.objects.filter(pk=market.pk).update(status=status, resolution=resolution, resolved_at=now)
        add_records([Record(market.pk, decision, "The test says so.")], source=Source.CLOCK, now=now)


def close(market: Market) -> None:
    Market.objects.filter(pk=market.pk).update(status="closed", resolution=None, resolved_at=None)


def settle(market: Market, **options: Any) -> SettlementSummary:
    return settlement.settle_market(market_id=market.pk, **{"now": timezone.now(), **options})


def figures(done: SettlementSummary) -> tuple[int, int, int, Decimal, Decimal]:
    """Won, lost, cancelled; credits paid and refunded."""
    return done.won, done.lost, done.cancelled, done.paid, done.refunded


def outcome(bet: dict[str, Any]) -> tuple[str, Decimal | None]:
    return Bet.objects.values_list("status", "actual_payout").get(pk=bet["id"])


def move_odds(market: Market, this: str) -> None:
    """The house's price of THIS."""
    Market.objects.filter(pk=market.pk).update(this_odds=Decimal(this), that_odds=1 - Decimal(this))


def worth(player: Any) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Balance, locked, realized profit, volume."""
    row = player.booked()
    return row["credit_balance"], row["locked_credits"], row["overall_pnl"], row["total_volume"]
