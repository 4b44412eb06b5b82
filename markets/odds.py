"""Odds: the probabilities of THIS and THAT, four decimals, that add up to one."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from markets.polymarket.parsing import Odds

STEP = Decimal("0.0001")


def odds_from_midpoints(prices: Mapping[str, Decimal], this_token: str, that_token: str) -> Odds | None:
    """From the order book's midpoints by token. Both books show the same orders, so either one tells both odds."""
    this = prices.get(this_token)
    if this is None:
        that = prices.get(that_token)
        if that is None:
            return None
        this = 1 - that
    this = this.quantize(STEP, rounding=ROUND_HALF_EVEN)
    return Odds(this=this, that=1 - this)
