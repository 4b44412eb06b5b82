"""What an order book says: bid and ask of the first shares of each side (docs/adr/0013-fills.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tests.simulation.model.rules import ONE, Rules

STEP = Decimal("0.0001")
NONE = Decimal(0)
Levels = list[tuple[Decimal, Decimal]]  # price and shares, the best first


@dataclass(frozen=True, slots=True)
class Prices:
    """Odds of THIS: bought at `ask`, THAT at 1 - `bid`; None: can't be bought. Sold at `sale_bid`, 1 - `sale_ask`."""

    bid: Decimal | None
    ask: Decimal | None
    sale_bid: Decimal
    sale_ask: Decimal

    def to_buy(self, side: str, rules: Rules) -> Decimal | str:
        """Return the odds, or the code of the refusal."""
        if self.bid is None or self.ask is None or self.ask - self.bid > rules.max_spread:
            return "market_illiquid"
        odds = self.ask if side == "this" else ONE - self.bid
        return odds if 0 < odds < 1 else "market_not_accepting"

    def to_sell(self, side: str) -> Decimal | str:
        """Return the odds, or the code of the refusal: where nobody buys."""
        odds = self.sale_bid if side == "this" else ONE - self.sale_ask
        if odds <= 0:
            return "market_illiquid"
        return odds if odds < 1 else "market_not_accepting"


def house_prices(odds: Decimal, rules: Rules) -> Prices:
    """Return the prices of a house market: half the spread on either side of its odds."""
    half = rules.house_spread / 2
    bid = max(odds - half, NONE).quantize(STEP, ROUND_FLOOR)
    ask = min(odds + half, ONE).quantize(STEP, ROUND_CEILING)
    return Prices(bid, ask, bid, ask)


@dataclass(slots=True)
class Book:
    """A book of THIS; a bid at p is an ask of THAT at 1 - p. `is_known`: false where the upstream shows none."""

    bids: Levels
    asks: Levels
    is_known: bool = True

    def prices(self, rules: Rules) -> Prices:
        """Return the volume-weighted prices of the first shares; those that are missing count nothing in a sale."""
        if not self.is_known or (self.bids and self.asks and self.bids[0][0] >= self.asks[0][0]):
            return Prices(None, None, NONE, ONE)
        depth = rules.price_depth
        bid_sum, bid_shares = first_shares(self.bids, depth)
        ask_sum, ask_shares = first_shares(self.asks, depth)
        sale_bid = (bid_sum / depth).quantize(STEP, ROUND_FLOOR)
        sale_ask = ((ask_sum + (depth - ask_shares)) / depth).quantize(STEP, ROUND_CEILING)
        return Prices(
            sale_bid if bid_shares == depth else None, sale_ask if ask_shares == depth else None, sale_bid, sale_ask
        )


def first_shares(levels: Iterable[tuple[Decimal, Decimal]], depth: int) -> tuple[Decimal, Decimal]:
    """Return what the first so many shares cost together, and how many there are."""
    cost, shares = NONE, NONE
    for price, size in levels:
        part = min(size, depth - shares)
        cost, shares = cost + part * price, shares + part
    return cost, shares
