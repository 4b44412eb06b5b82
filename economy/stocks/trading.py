"""The building blocks of trades: locks in one order (stock, users by id), and booking, which writes everything.

All run inside the caller's transaction. Whoever changes holdings of a stock holds its row, so supply can't be exceeded;
whoever adds to a user's chain of trades holds the user's row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from core.api.errors import DomainError
from core.db.sql import new_id
from core.db.transactions import require_transaction
from economy import ledger
from economy.ledger import Transfer
from economy.models import TransactionType
from economy.stocks.models import StockTransaction
from economy.stocks.pricing import Position
from economy.stocks.signing import Signed, current_key_id, sign

Type = StockTransaction.Type
DESCRIPTIONS = {Type.BUY: "Shares bought", Type.SELL: "Shares sold", Type.LIQUIDATION: "Shares became worthless"}


class StockNotFound(DomainError):
    code = "stock_not_found"
    status = 404
    message = "Stock not found"


class Locked(NamedTuple):
    """A stock whose row is held until the transaction ends."""

    id: UUID
    symbol: str
    price: Decimal
    price_sequence: int
    total_supply: Decimal
    circulating_supply: Decimal
    max_leverage: int
    status: str


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
    """What is to be booked. `amount` moves between user and stocks; `part` joins the holding, or leaves it."""

    trader: Trader
    stock: Locked
    type: Type
    part: Position
    amount: Decimal

    @property
    def change(self) -> Decimal:
        """Of the user's balance."""
        return -self.amount if self.type == Type.BUY else self.amount

    @property
    def staked(self) -> Decimal:
        return self.part.invested if self.type == Type.BUY else -self.part.invested

    @cached_property
    def holding_id(self) -> UUID:
        return self.trader.holding_id or new_id()

    @property
    def holding(self) -> Position | None:
        """What the user has of the stock afterwards."""
        held = self.trader.position
        if self.type == Type.BUY:
            return held.plus(self.part) if held else self.part
        rest = held.minus(self.part) if held else None
        return rest if rest and rest.shares else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked(Signed):
    """A row of stock_transactions."""

    transaction_hash: str


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
COLUMNS = [field.name for field in fields(Booked)]
TYPES = {
    "id": "uuid", "user_id": "uuid", "stock_id": "uuid", "sequence": "bigint", "leverage": "smallint",
    "created_at": "timestamptz", "type": "text", "key_id": "text", "previous_hash": "text", "transaction_hash": "text",
}  # fmt: skip
# Trades, holdings and supply in one statement. A holding without shares is gone.
RECORD = f"""
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
"""  # noqa: S608 - the columns of this module
NO_SHARES = Position(Decimal(0), Decimal(0), Decimal(0), 1)


def lock_stock(stock_id: UUID) -> Locked:
    """Raises StockNotFound."""
    require_transaction("A trade")
    with connection.cursor() as cursor:
        cursor.execute(LOCK_STOCK, {"stock_id": stock_id})
        row = cursor.fetchone()
    if row is None:
        raise StockNotFound
    return Locked(*row)


def lock_traders(stock: Locked, user_ids: Iterable[UUID]) -> list[Trader]:
    """In the order of their ids."""
    given: dict[str, Any] = {"stock_id": stock.id, "user_ids": list(user_ids)}
    with connection.cursor() as cursor:
        cursor.execute(LOCK_USERS, given)
        cursor.execute(TRADERS, given)
        return [as_trader(row) for row in cursor.fetchall()]


def as_trader(row: Sequence[Any]) -> Trader:
    user_id, balance, sequence, last_hash, holding_id, shares, invested, exact_cost, leverage, opened_at = row
    position = Position(shares, invested, exact_cost, leverage) if holding_id else None
    return Trader(user_id, balance, sequence, last_hash, holding_id, position, opened_at)


def book(trades: Sequence[Trade], *, now: datetime) -> list[Booked]:
    """Moves the credits, then writes the signed trades, the holdings and the supply: trades of one stock, one a user.

    Raises InsufficientCredits.
    """
    rows = [signed(trade, now) for trade in trades]
    ledger.post_many([transfer(trade, row) for trade, row in zip(trades, rows, strict=True)], now=now)
    record(trades, rows, now)
    return rows


def signed(trade: Trade, now: datetime) -> Booked:
    row = Signed(
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
    return Booked(**asdict(row), transaction_hash=sign(row))


def transfer(trade: Trade, row: Booked) -> Transfer:
    """A sale that brings nothing has no row in the journal, but what was at stake is gone."""
    return Transfer(
        user_id=row.user_id,
        amount=trade.change,
        staked=trade.staked,
        transaction_type=TransactionType.STOCK_PURCHASE if trade.type == Type.BUY else TransactionType.STOCK_SALE,
        reference_id=row.id,
        description=f"{DESCRIPTIONS[trade.type]}: {trade.stock.symbol}",
    )


def record(trades: Sequence[Trade], rows: Sequence[Booked], now: datetime) -> None:
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
    with connection.cursor() as cursor:
        cursor.execute(RECORD, parameters)
