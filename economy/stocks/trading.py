"""Trades: buying and selling shares, and closing holdings that a price made worthless.

Locks are taken in one order: the stock, then users by id. Whoever changes holdings of a stock holds its row, so supply
can't be exceeded; whoever adds to a user's chain of trades holds the user's row. A purchase and a sale run inside the
caller's transaction, which `core.api.idempotency` opens; `clock` tells the time once all locks are held.

A holding is worthless when its value, rounded down, is 0. Closing it is a sale for nothing, whose loss is all that was
invested. Prices don't change while one of that stock is open (`economy.stocks.prices`), so that which holdings a price
closes doesn't depend on how fast the task was.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from core.db.sql import Row, execute, fetch_all, fetch_one, new_id
from core.db.transactions import require_transaction, run_transaction
from core.events import log_event
from economy import ledger
from economy.errors import (
    InsufficientShares,
    InsufficientSupply,
    LeverageMismatch,
    LeverageTooHigh,
    NoHolding,
    StockNotActive,
    StockNotFound,
)
from economy.ledger import Transfer
from economy.models import TransactionType
from economy.stocks.models import Stock, StockTransaction
from economy.stocks.price_policy import LockedStock, is_moved_by_trades, leverage_limit, move_price
from economy.stocks.signing import COLUMNS, SignedTrade, UnsignedTrade, current_key_id, sign_trade
from economy.stocks.valuation import NOTHING, Position, bought, part_of, proceeds, value
from notifications.models import NotificationType
from notifications.services import Cause, notify

Clock = Callable[[], datetime]
Type = StockTransaction.Type
DESCRIPTIONS = {Type.BUY: "Shares bought", Type.SELL: "Shares sold", Type.LIQUIDATION: "Shares became worthless"}
BATCH = 500  # holdings closed in one transaction


class Trader(NamedTuple):
    """A user whose row is held, with the last trade and what is held of the stock (None: nothing)."""

    user_id: UUID
    balance: Decimal
    sequence: int  # 0 before the first trade
    last_hash: str
    holding_id: UUID | None
    position: Position | None
    opened_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Trade:
    """What is to be recorded. `amount` moves between user and stocks; `part` joins the holding, or leaves it."""

    trader: Trader
    stock: LockedStock
    type: Type
    part: Position
    amount: Decimal

    @property
    def change(self) -> Decimal:
        """Return the change of the user's balance."""
        return -self.amount if self.type == Type.BUY else self.amount

    @property
    def staked(self) -> Decimal:
        return self.part.invested if self.type == Type.BUY else -self.part.invested

    @cached_property
    def holding_id(self) -> UUID:
        return self.trader.holding_id or new_id()

    @property
    def holding(self) -> Position | None:
        """Return what the user has of the stock afterwards."""
        held = self.trader.position
        if self.type == Type.BUY:
            return held.plus(self.part) if held else self.part
        rest = held.minus(self.part) if held else None
        return rest if rest and rest.shares else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOutcome:
    """The trade as it was recorded, the holding after it (None: all sold), and the profit that it realized."""

    transaction: SignedTrade
    holding_id: UUID | None
    holding: Position | None
    opened_at: datetime
    profit: Decimal


LOCK_STOCK = """
SELECT id, symbol, current_price, price_sequence, total_supply, circulating_supply, max_leverage, status
FROM stocks WHERE id = %(stock_id)s FOR NO KEY UPDATE
"""
LOCK_USERS = "SELECT id FROM users WHERE id = ANY(%(user_ids)s) ORDER BY id FOR NO KEY UPDATE"
# A statement of its own: what it reads is as of after the locks.
TRADERS = """
SELECT users.id, credit_balance, coalesce(last.sequence, 0), coalesce(last.transaction_hash, ''), holding.id,
    holding.shares, holding.invested, holding.exact_cost, holding.leverage, holding.created_at
FROM users
LEFT JOIN stock_holdings AS holding ON holding.user_id = users.id AND holding.stock_id = %(stock_id)s
LEFT JOIN LATERAL (
    SELECT sequence, transaction_hash FROM stock_transactions WHERE user_id = users.id ORDER BY sequence DESC LIMIT 1
) AS last ON true
WHERE users.id = ANY(%(user_ids)s) ORDER BY users.id
"""
TYPES = {
    "id": "uuid", "user_id": "uuid", "stock_id": "uuid", "sequence": "bigint", "leverage": "smallint",
    "created_at": "timestamptz", "type": "text", "key_id": "text", "previous_hash": "text", "transaction_hash": "text",
}  # fmt: skip
# Trades, holdings and supply in one statement. A holding without shares is gone.
WRITE_TRADES = f"""
WITH added AS (
    INSERT INTO stock_transactions ({", ".join(COLUMNS)})
    SELECT * FROM unnest({", ".join(f"%({name})s::{TYPES.get(name, 'numeric')}[]" for name in COLUMNS)})
), held AS (
    SELECT * FROM unnest(%(holding_ids)s::uuid[], %(user_id)s::uuid[], %(held_shares)s::numeric[],
        %(held_invested)s::numeric[], %(held_exact_cost)s::numeric[], %(leverage)s::smallint[])
    AS held (id, user_id, shares, invested, exact_cost, leverage)
), closed AS (
    DELETE FROM stock_holdings USING held
    WHERE stock_holdings.user_id = held.user_id AND stock_id = %(stock)s AND held.shares = 0
), opened AS (
    INSERT INTO stock_holdings AS holding (id, user_id, stock_id, shares, invested, exact_cost, leverage,
        created_at, updated_at)
    SELECT id, user_id, %(stock)s, shares, invested, exact_cost, leverage, %(now)s, %(now)s FROM held WHERE shares > 0
    ON CONFLICT (user_id, stock_id) DO UPDATE SET shares = excluded.shares, invested = excluded.invested,
        exact_cost = excluded.exact_cost, updated_at = excluded.updated_at
)
UPDATE stocks SET circulating_supply = circulating_supply + %(supply_change)s, updated_at = %(now)s
WHERE id = %(stock)s
"""  # noqa: S608 - constants
NO_SHARES = Position(Decimal(0), Decimal(0), Decimal(0), 1)
# `valuation.value` is 0: what is worth less than a cent.
WORTHLESS = "invested + leverage * (shares * current_price - exact_cost) < 0.01"
WORTHLESS_HOLDERS = f"""
SELECT user_id FROM stock_holdings JOIN stocks ON stocks.id = stock_id
WHERE stock_id = %(stock_id)s AND {WORTHLESS} ORDER BY user_id LIMIT %(limit)s
"""  # noqa: S608 - constants of this module
STOCKS_WITH_WORTHLESS = f"""
SELECT stocks.id FROM stocks
WHERE EXISTS (SELECT FROM stock_holdings WHERE stock_id = stocks.id AND {WORTHLESS}) ORDER BY stocks.id
"""  # noqa: S608 - constants of this module


def buy_shares(*, stock_id: UUID, shares: Decimal, leverage: int, user_id: UUID, clock: Clock) -> TradeOutcome:
    """Buy shares, averaged into a holding of the same leverage; one that isn't worth a cent is closed first.

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
    stock = move_price(close_what_is_worthless(stock, user_id, now=now), shares * leverage, now=now)
    part = bought(shares, stock.price, leverage)
    trade = Trade(trader=trader, stock=stock, type=Type.BUY, part=part, amount=part.invested)
    return record_trade(trade, now)


def sell_shares(*, stock_id: UUID, shares: Decimal, user_id: UUID, clock: Clock) -> TradeOutcome:
    """Sell shares, whatever the stock's status: who holds shares can always leave.

    Raises StockNotFound, NoHolding, InsufficientShares.
    """
    stock = lock_stock(stock_id)
    (trader,) = lock_traders(stock, [user_id])
    if trader.position is None:
        raise NoHolding
    if shares > trader.position.shares:
        raise InsufficientShares
    now = clock()
    stock = move_price(close_what_is_worthless(stock, user_id, now=now), -shares * trader.position.leverage, now=now)
    part = part_of(trader.position, shares)
    amount = proceeds(trader.position, shares, stock.price)
    return record_trade(Trade(trader=trader, stock=stock, type=Type.SELL, part=part, amount=amount), now)


def check_buyable(stock: LockedStock, leverage: int) -> None:
    """Raise StockNotActive or LeverageTooHigh."""
    if stock.status != Stock.Status.ACTIVE:
        raise StockNotActive
    limit = leverage_limit(stock.max_leverage)
    if leverage > limit:
        raise LeverageTooHigh(f"At most {limit} with this stock.")


def check_leverage(trader: Trader, leverage: int) -> None:
    """Raise LeverageMismatch."""
    if trader.position and trader.position.leverage != leverage:
        raise LeverageMismatch


def close_worthless_holdings(*, now: datetime) -> int:
    """Close the worthless holdings of all stocks; return how many. Running it twice at once closes none twice."""
    stocks = fetch_all(STOCKS_WITH_WORTHLESS)
    return sum(close_worthless_of(stock_id=stock_id, now=now) for (stock_id,) in stocks)


def close_worthless_of(*, stock_id: UUID, now: datetime) -> int:
    """Close the worthless holdings of one stock, in batches of a transaction each; return how many."""
    closed = 0
    while batch := run_transaction(lambda: close_batch(stock_id, now)):
        closed += batch
    return closed


def close_batch(stock_id: UUID, now: datetime) -> int:
    stock = lock_stock(stock_id)
    traders = lock_traders(stock, list_worthless_holders(stock_id, limit=BATCH))
    if traders:
        record_trades([liquidation_of(stock, trader) for trader in traders], now=now)
    return len(traders)


def close_what_is_worthless(stock: LockedStock, trader_id: UUID, *, now: datetime) -> LockedStock:
    """Close what the price in force made worthless of others, where a trade is about to move it; return the stock so.

    A sale of the trader's own lowers the price: what was worthless stays so.
    """
    while is_moved_by_trades():
        holders = [holder for holder in list_worthless_holders(stock.id, limit=BATCH) if holder != trader_id]
        if not holders:
            break
        traders = lock_traders(stock, holders)
        record_trades([liquidation_of(stock, trader) for trader in traders], now=now)
        stock = lock_stock(stock.id)
    return stock


def list_worthless_holders(stock_id: UUID, *, limit: int) -> list[UUID]:
    """Return users whose holding of the stock is worthless. Stays as it is while the stock is locked."""
    return [user_id for (user_id,) in fetch_all(WORTHLESS_HOLDERS, {"stock_id": stock_id, "limit": limit})]


def close_if_worthless(stock: LockedStock, trader: Trader, *, now: datetime) -> bool:
    """Close the trader's holding if it is worthless; return whether it was. The caller holds both locks."""
    if trader.position is None or value(trader.position, stock.price):
        return False
    record_trades([liquidation_of(stock, trader)], now=now)
    return True


def liquidation_of(stock: LockedStock, trader: Trader) -> Trade:
    if trader.position is None:
        raise ValueError("Only what is held can be closed.")
    return Trade(trader=trader, stock=stock, type=Type.LIQUIDATION, part=trader.position, amount=NOTHING)


def record_trade(trade: Trade, now: datetime) -> TradeOutcome:
    (row,) = record_trades([trade], now=now)
    verb = "bought" if trade.type == Type.BUY else "sold"
    ids = {"userId": row.user_id, "stockId": row.stock_id}
    log_event("a user %s %s %s for %s", verb, row.shares.normalize(), trade.stock.symbol, row.total_amount, **ids)
    return TradeOutcome(
        transaction=row,
        holding_id=trade.holding_id if trade.holding else None,
        holding=trade.holding,
        opened_at=trade.trader.opened_at or now,
        profit=NOTHING if trade.type == Type.BUY else trade.amount - trade.part.invested,
    )


def lock_stock(stock_id: UUID) -> LockedStock:
    """Lock the stock until the transaction ends. Raises StockNotFound."""
    require_transaction("A trade")
    row = fetch_one(LOCK_STOCK, {"stock_id": stock_id})
    if row is None:
        raise StockNotFound
    return LockedStock(*row)


def lock_traders(stock: LockedStock, user_ids: Iterable[UUID]) -> list[Trader]:
    """Lock users in the order of their ids, and return what they hold of the stock, in that order."""
    given: dict[str, Any] = {"stock_id": stock.id, "user_ids": list(user_ids)}
    fetch_all(LOCK_USERS, given)
    return [as_trader(row) for row in fetch_all(TRADERS, given)]


def as_trader(row: Row) -> Trader:
    user_id, balance, sequence, last_hash, holding_id, shares, invested, exact_cost, leverage, opened_at = row
    position = Position(shares, invested, exact_cost, leverage) if holding_id else None
    return Trader(user_id, balance, sequence, last_hash, holding_id, position, opened_at)


def record_trades(trades: Sequence[Trade], *, now: datetime) -> list[SignedTrade]:
    """Move the credits, then write the signed trades, the holdings and the supply: trades of one stock, one a user.

    Raises InsufficientCredits.
    """
    rows = [sign(trade, now) for trade in trades]
    ledger.post_many([as_transfer(trade, row) for trade, row in zip(trades, rows, strict=True)], now=now)
    write_trades(trades, rows, now)
    recorded = zip(trades, rows, strict=True)
    notify([liquidation_cause(trade, row) for trade, row in recorded if trade.type == Type.LIQUIDATION], now=now)
    return rows


def liquidation_cause(trade: Trade, row: SignedTrade) -> Cause:
    about = {"stockId": trade.stock.id, "symbol": trade.stock.symbol, "shares": row.shares, "invested": row.invested}
    liquidated = NotificationType.STOCK_LIQUIDATED
    return Cause(user_id=row.user_id, type=liquidated, reference_id=row.id, data={"transactionId": row.id, **about})


def sign(trade: Trade, now: datetime) -> SignedTrade:
    unsigned = UnsignedTrade(
        id=new_id(),
        user_id=trade.trader.user_id,
        sequence=trade.trader.sequence + 1,
        stock_id=trade.stock.id,
        type=str(trade.type),
        shares=trade.part.shares,
        price_per_share=trade.stock.price,
        total_amount=trade.amount,
        invested=trade.part.invested,
        exact_cost=trade.part.exact_cost,
        leverage=trade.part.leverage,
        balance_before=trade.trader.balance,
        balance_after=trade.trader.balance + trade.change,
        created_at=now,
        key_id=current_key_id(),
        previous_hash=trade.trader.last_hash,
    )
    return SignedTrade(**asdict(unsigned), transaction_hash=sign_trade(unsigned))


def as_transfer(trade: Trade, row: SignedTrade) -> Transfer:
    """Return what moves the credits. A sale that brings nothing has no ledger entry, but the stake is gone."""
    return Transfer(
        user_id=row.user_id,
        amount=trade.change,
        staked=trade.staked,
        transaction_type=TransactionType.STOCK_PURCHASE if trade.type == Type.BUY else TransactionType.STOCK_SALE,
        reference_id=row.id,
        description=f"{DESCRIPTIONS[trade.type]}: {trade.stock.symbol}",
    )


def write_trades(trades: Sequence[Trade], rows: Sequence[SignedTrade], now: datetime) -> None:
    holdings = [trade.holding or NO_SHARES for trade in trades]
    moved = sum((trade.part.shares if trade.type == Type.BUY else -trade.part.shares) for trade in trades)
    parameters: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    parameters |= {
        "stock": trades[0].stock.id,
        "supply_change": Decimal(moved),
        "now": now,
        "holding_ids": [trade.holding_id for trade in trades],
        "held_shares": [holding.shares for holding in holdings],
        "held_invested": [holding.invested for holding in holdings],
        "held_exact_cost": [holding.exact_cost for holding in holdings],
    }
    execute(WRITE_TRADES, parameters)
