"""What a decision about a market would pay, for staff before they confirm it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from betting import settlement_sql as sql
from betting.offers import MarketNotFound
from betting.settlement import fetch
from markets.models import Market

LIMIT = 200


class Receiver(NamedTuple):
    """What a user would get, in credits, for so many of the user's bets."""

    user_id: UUID
    username: str
    bets: int
    payout: Decimal


@dataclass(frozen=True, slots=True)
class SettlementPreview:
    """Of all open bets on the market, in credits. `receivers`: those who would get most first, up to a limit."""

    bets: int
    users: int
    stake: Decimal
    payout: Decimal
    receivers: list[Receiver]

    @property
    def house_gain(self) -> Decimal:
        """What the house would keep; below zero, what it would pay out of its own."""
        return self.stake - self.payout


def preview_settlement(
    *, market_id: UUID, outcome: Literal["this", "that", "invalid"], limit: int = LIMIT
) -> SettlementPreview:
    """Nothing is locked: it is as good as the moment. Three statements. Raises MarketNotFound."""
    if not Market.objects.filter(pk=market_id).exists():
        raise MarketNotFound
    facts = {"market_id": market_id, "resolution": outcome, "limit": limit}
    ((bets, users, stake, payout),) = fetch(sql.PREVIEW_TOTALS, facts)
    receivers = [Receiver(*row) for row in fetch(sql.PREVIEW, facts)]
    return SettlementPreview(bets, users, stake, payout, receivers)
