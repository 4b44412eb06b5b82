"""What the house owes on a market, by side, if it ended now."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, F, Sum

from betting.models import Bet, rounded_down

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class SideExposure:
    """Open bets on a side: how many, and in credits what is at stake and what they pay if it wins."""

    bets: int = 0
    stake: Decimal = ZERO
    payout: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Exposure:
    this: SideExposure
    that: SideExposure

    @property
    def bets(self) -> int:
        return self.this.bets + self.that.bets

    @property
    def stake(self) -> Decimal:
        return self.this.stake + self.that.stake


def open_exposure(market_id: UUID) -> Exposure:
    """One statement, which reads the market's open bets."""
    left = F("amount") - F("sold_amount")
    sides = (
        Bet.objects.filter(market_id=market_id, status=Bet.Status.PENDING)
        .values_list("side")
        .annotate(bets=Count("pk"), stake=Sum(left), payout=Sum(rounded_down(left / F("odds_at_bet"))))
    )
    found = {side: SideExposure(*figures) for side, *figures in sides}
    return Exposure(found.get("this", SideExposure()), found.get("that", SideExposure()))
