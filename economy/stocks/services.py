"""Buying and selling shares, at the price of the moment. Each runs inside the caller's transaction, which
`common.idempotency` opens; `clock` tells the time once all locks are held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.api.errors import DomainError
from economy.stocks.liquidation import close_if_worthless
from economy.stocks.models import Stock
from economy.stocks.pricing import NOTHING, Position, bought, part_of, proceeds
from economy.stocks.trading import Booked, Locked, Trade, Trader, Type, book, lock_stock, lock_traders

Clock = Callable[[], datetime]


class StockNotActive(DomainError):
    code = "stock_not_active"
    message = "This stock can't be bought now."


class LeverageTooHigh(DomainError):
    code = "leverage_too_high"
    message = "This stock doesn't allow so much leverage."


class LeverageMismatch(DomainError):
    """A holding has one leverage from its first share to its last."""

    code = "leverage_mismatch"
    message = "You hold this stock at another leverage. Sell it first."


class InsufficientSupply(DomainError):
    code = "insufficient_supply"
    message = "There aren't so many shares left."


class NoHolding(DomainError):
    code = "no_holding"
    message = "You don't hold this stock."


class InsufficientShares(DomainError):
    code = "insufficient_shares"
    message = "You don't hold so many shares."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The trade as it was booked, the holding after it (None: all sold), and the profit that it realized (credits)."""

    transaction: Booked
    holding_id: UUID | None
    holding: Position | None
    opened_at: datetime
    profit: Decimal


def buy_shares(*, stock_id: UUID, shares: Decimal, leverage: int, user_id: UUID, clock: Clock) -> Outcome:
    """Averages into a holding of the same leverage. What the user holds but isn't worth a cent is closed first.

    Raises StockNotFound, StockNotActive, LeverageTooHigh, LeverageMismatch, InsufficientSupply, InsufficientCredits.
    """
    stock = lock_stock(stock_id)
    (trader,) = lock_traders(stock, [user_id])
    now = clock()
    check_buyable(stock, leverage)
    if close_if_worthless(stock, trader, now=now):
        stock = lock_stock(stock_id)
        (trader,) = lock_traders(stock, [user_id])
    check_leverage(trader, leverage)
    if stock.circulating_supply + shares > stock.total_supply:
        raise InsufficientSupply
    part = bought(shares, stock.price, leverage)
    trade = Trade(trader=trader, stock=stock, type=Type.BUY, part=part, amount=part.invested)
    return booked(trade, now)


def sell_shares(*, stock_id: UUID, shares: Decimal, user_id: UUID, clock: Clock) -> Outcome:
    """Whatever the stock's status: who holds shares can always leave.

    Raises StockNotFound, NoHolding, InsufficientShares.
    """
    stock = lock_stock(stock_id)
    (trader,) = lock_traders(stock, [user_id])
    if trader.position is None:
        raise NoHolding
    if shares > trader.position.shares:
        raise InsufficientShares
    part = part_of(trader.position, shares)
    amount = proceeds(trader.position, shares, stock.price)
    return booked(Trade(trader=trader, stock=stock, type=Type.SELL, part=part, amount=amount), clock())


def check_buyable(stock: Locked, leverage: int) -> None:
    if stock.status != Stock.Status.ACTIVE:
        raise StockNotActive
    if leverage > stock.max_leverage:
        raise LeverageTooHigh(f"At most {stock.max_leverage} with this stock.")


def check_leverage(trader: Trader, leverage: int) -> None:
    if trader.position and trader.position.leverage != leverage:
        raise LeverageMismatch


def booked(trade: Trade, now: datetime) -> Outcome:
    (row,) = book([trade], now=now)
    return Outcome(
        transaction=row,
        holding_id=trade.holding_id if trade.holding else None,
        holding=trade.holding,
        opened_at=trade.trader.opened_at or now,
        profit=NOTHING if trade.type == Type.BUY else trade.amount - trade.part.invested,
    )
