"""Price policies: who moves the prices of stocks besides staff, as `STOCK_PRICE_POLICY` says.

- manual: nobody.
- activity: each trade, before it is made. With T the total supply and s what circulates, a purchase of n shares moves
  the price p to `p * (T + s + n) / (T + s)` and is made at that, a sale of n shares at leverage L moves it to
  `p * (T + s - L * n) / (T + s)` and is made at that; rounded down to 8 decimals.
- walk: a job, at random, for development. The same stock takes the same steps each time.

Nobody gains by a round trip under `activity`, alone or together. Call p / (T + s) the level. Trades leave it as it is,
but for rounding and sales at a leverage, which lower it. On one level a purchase is made at the price after it, the
highest on its way, and a sale at the price after it, the lowest: on the way back to the same s every share has cost at
least what it brings. A level that falls on the way lowers what the later sales bring. Shares are then bought without
leverage alone: a loss that ends at what was invested would be borne by nobody.
"""

from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from random import Random
from typing import NamedTuple
from uuid import UUID

from core.db.sql import execute, new_id
from economy import rules
from economy.rules import GREATEST_WORTH, StockPricePolicy
from economy.stocks.valuation import SHARE, exactly

# Both in one statement: the database refuses one without the other.
CHANGE_PRICE = """
WITH added AS (
    INSERT INTO stock_prices (id, stock_id, sequence, price, set_by_id, reason, created_at)
    VALUES (%(id)s, %(stock_id)s, %(sequence)s, %(price)s, %(set_by)s, %(reason)s, %(now)s)
)
UPDATE stocks SET current_price = %(price)s, price_sequence = %(sequence)s, updated_at = %(now)s
WHERE id = %(stock_id)s
"""
# The greatest step of a walk, and how much of the way back to its first price it takes, in each step.
STEP, WAY_BACK = Decimal("0.0060"), Decimal("0.02")
LEAST_PART = Decimal("0.1")  # of the first price


class LockedStock(NamedTuple):
    """A stock whose row is held until the transaction ends."""

    id: UUID
    symbol: str
    price: Decimal
    price_sequence: int
    total_supply: Decimal
    circulating_supply: Decimal
    max_leverage: int
    status: str

    @property
    def greatest_price(self) -> Decimal:
        """Return the price that no price of it reaches: a value has to fit into a column of credits."""
        return GREATEST_WORTH / (self.total_supply * self.max_leverage)


def is_moved_by_trades() -> bool:
    return rules.STOCK_PRICE_POLICY == StockPricePolicy.ACTIVITY


def leverage_limit(max_leverage: int) -> int:
    """Return the greatest leverage that shares can be bought at, of the stock's own."""
    return 1 if is_moved_by_trades() else max_leverage


@exactly
def price_after(stock: LockedStock, exposure: Decimal) -> Decimal:
    """Return the price once so many shares, times their leverage, were bought; below zero: sold."""
    scale = stock.total_supply + stock.circulating_supply
    moved = (stock.price * max(scale + exposure, Decimal(0)) / scale).quantize(SHARE, ROUND_FLOOR)
    return max(SHARE, min(moved, (stock.greatest_price - SHARE).quantize(SHARE, ROUND_FLOOR)))


def move_price(stock: LockedStock, exposure: Decimal, *, now: datetime) -> LockedStock:
    """Move the price by a trade that is about to be made, and return the stock at the price that it is made at."""
    if not is_moved_by_trades():
        return stock
    price = price_after(stock, exposure)
    if price == stock.price:
        return stock
    return write_price(
        stock, price, reason=f"{'Bought' if exposure > 0 else 'Sold'}: {abs(exposure).normalize():f}", now=now
    )


def write_price(
    stock: LockedStock, price: Decimal, *, reason: str, now: datetime, set_by: UUID | None = None
) -> LockedStock:
    """Give the stock the price, as a row of its history, and return it so. It is locked, and the price valid."""
    row = {"id": new_id(), "stock_id": stock.id, "sequence": stock.price_sequence + 1, "price": price}
    execute(CHANGE_PRICE, {**row, "set_by": set_by, "reason": reason, "now": now})
    return stock._replace(price=price, price_sequence=stock.price_sequence + 1)


@exactly
def next_step(stock: LockedStock, *, first_price: Decimal) -> Decimal:
    """Return the next price of a random walk about the first price, which the number of the step decides."""
    draw = Random(f"{stock.symbol}:{stock.price_sequence}").randint(-100, 100)  # noqa: S311 - to be repeated
    change = STEP * draw / 100 + WAY_BACK * (first_price - stock.price) / first_price
    moved = max(stock.price * (1 + change), first_price * LEAST_PART)
    # Four digits or more, whatever a share costs.
    return max(SHARE, moved.quantize(Decimal("0.01") if first_price > 10 else Decimal("0.0001")))  # noqa: PLR2004
