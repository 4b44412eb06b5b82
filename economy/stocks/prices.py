"""Prices and statuses: staff set prices, and open and close stocks for buyers, each change with who and why.

A price is a row of `stock_prices`, a status one of `stock_status_changes`; what staff change is among the staff
actions, too. What else moves prices: `price_policy`. The first stocks are a catalogue: what has its symbol already
stays as it is, whatever became of it.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.dispatch import Signal

from accounts.errors import NothingChanged
from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.db.sql import execute, fetch_all, new_id
from core.db.transactions import run_transaction
from economy.errors import InvalidPrice
from economy.recorded_rules import STOCK, STOCK_PRICE_WALK, record_rule
from economy.stocks.models import Stock
from economy.stocks.price_policy import STEP, WAY_BACK, LockedStock, next_step, write_price
from economy.stocks.trading import close_worthless_of, list_worthless_holders, lock_stock

# Sent with `stock_id` once a new price is committed. It may be lost: the sweep finds what is to be closed, too.
price_changed = Signal()


class ListedStock(NamedTuple):
    """A stock as it is first listed."""

    symbol: str
    name: str
    description: str
    price: str
    supply: int
    max_leverage: int


CATALOGUE = (
    ListedStock("THIS", "This Industries", "Makes one of two things, and is sure which.", "25.00", 1_000_000, 5),
    ListedStock("THAT", "That Holdings", "Makes the other thing.", "24.50", 1_000_000, 5),
    ListedStock("ODDS", "Even Odds Exchange", "Earns on every bet, whoever wins it.", "112.40", 250_000, 3),
    ListedStock("COIN", "Double Sided Mint", "Strikes coins for people who can't decide.", "8.75", 5_000_000, 10),
    ListedStock("POLL", "Straw Poll Research", "Asks a thousand people, and believes them.", "47.20", 500_000, 3),
    ListedStock("HYPE", "Momentum & Sons", "Goes up because it went up.", "3.10", 10_000_000, 10),
    ListedStock("SAFE", "Certainty Assurance", "Insures against surprises.", "190.00", 100_000, 1),
    ListedStock("MOON", "Lunar Freight", "Delivers, in time.", "0.85", 20_000_000, 20),
)
LIST_STOCK = """
WITH added AS (
    INSERT INTO stocks (id, symbol, name, description, current_price, price_sequence, total_supply, max_leverage,
        created_at, updated_at)
    VALUES (%(id)s, %(symbol)s, %(name)s, %(description)s, %(price)s, 1, %(supply)s, %(max_leverage)s, %(now)s, %(now)s)
    ON CONFLICT (symbol) DO NOTHING RETURNING id
)
INSERT INTO stock_prices (id, stock_id, sequence, price, reason, created_at)
SELECT %(price_id)s, id, 1, %(price)s, 'First price', %(now)s FROM added
"""
CHANGE_STATUS = """
WITH added AS (
    INSERT INTO stock_status_changes (id, stock_id, sequence, status, set_by_id, reason, created_at)
    SELECT %(id)s, %(stock_id)s, coalesce(max(sequence), 0) + 1, %(status)s, %(set_by)s, %(reason)s, %(now)s
    FROM stock_status_changes WHERE stock_id = %(stock_id)s
)
UPDATE stocks SET status = %(status)s, updated_at = %(now)s WHERE id = %(stock_id)s
"""
ACTIVE_STOCKS = """
SELECT stocks.id, first.price FROM stocks JOIN stock_prices AS first ON stock_id = stocks.id AND sequence = 1
WHERE status = 'active' ORDER BY symbol
"""


def seed_stocks(*, now: datetime) -> int:
    """List the stocks of the catalogue that are missing; return how many."""
    return run_transaction(lambda: sum(list_stock(stock, now=now) for stock in CATALOGUE))


def list_stock(stock: ListedStock, *, now: datetime) -> int:
    """List the stock unless its symbol is taken; return 1 or 0. Runs inside the caller's transaction."""
    terms = stock._asdict() | {"price": Decimal(stock.price), "supply": Decimal(stock.supply)}
    listed = execute(LIST_STOCK, {**terms, "id": new_id(), "price_id": new_id(), "now": now})
    if listed:
        record_rule(STOCK + stock.symbol, stock.supply, stock.max_leverage, now=now)
    return listed


def set_price(*, stock_id: UUID, price: Decimal, by: StaffMember, reason: str, now: datetime) -> None:
    """Set the price. What the price in force made worthless is closed first, what this one does by a task at once.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, StockNotFound, InvalidPrice.
    """
    by.require(Permission.SET_STOCK_PRICES)
    reason = validate_reason(reason)

    def change(stock: LockedStock) -> None:
        validate_price(stock, price)
        write_price(stock, price, set_by=by.user.pk if by.user else None, reason=reason, now=now)
        before, after = {"price": plain(stock.price)}, {"price": plain(price)}
        target = Stock(pk=stock_id)
        record_action("set_stock_price", by=by, target=target, reason=reason, before=before, after=after, now=now)

    change_once_closed(stock_id, change, now=now)
    price_changed.send(sender=Stock, stock_id=stock_id)


def walk(*, now: datetime) -> int:
    """Let the price of every active stock take its next step at random; return how many stocks there are.

    What a step makes worthless is left to the sweep of every minute.
    """
    active = fetch_all(ACTIVE_STOCKS)
    for stock_id, first_price in active:

        def step(stock: LockedStock, first_price: Decimal = first_price) -> None:
            price = next_step(stock, first_price=first_price)
            if price != stock.price and price < stock.greatest_price:
                record_rule(STOCK_PRICE_WALK, STEP, WAY_BACK, now=now)
                write_price(stock, price, reason="A step at random", now=now)

        change_once_closed(stock_id, step, now=now)
    return len(active)


def change_once_closed(stock_id: UUID, change: Callable[[LockedStock], None], *, now: datetime) -> None:
    """Run `change` with the stock locked, once what its price made worthless is closed. Raises StockNotFound."""

    def attempt() -> bool:
        stock = lock_stock(stock_id)
        if list_worthless_holders(stock_id, limit=1):
            return False
        change(stock)
        return True

    while not run_transaction(attempt):
        close_worthless_of(stock_id=stock_id, now=now)


def change_status(*, stock_id: UUID, status: Stock.Status, by: StaffMember, reason: str, now: datetime) -> None:
    """Change the status. Raises NotAllowed, ReasonMissing, ReasonTooLong, StockNotFound, NothingChanged."""
    by.require(Permission.SET_STOCK_PRICES)
    reason = validate_reason(reason)

    def change() -> None:
        stock = lock_stock(stock_id)
        if stock.status == status:
            raise NothingChanged("The stock has this status already.")
        write_change(CHANGE_STATUS, stock_id, by=by, reason=reason, now=now, status=str(status))
        before, after = {"status": stock.status}, {"status": str(status)}
        record_action(
            "set_stock_status", by=by, target=Stock(pk=stock_id), reason=reason, before=before, after=after, now=now
        )

    run_transaction(change)


def write_change(statement: str, stock_id: UUID, *, by: StaffMember, reason: str, now: datetime, **row: Any) -> None:
    who: dict[str, Any] = {"set_by": by.user.pk if by.user else None, "reason": reason, "now": now}
    execute(statement, {"id": new_id(), "stock_id": stock_id, **who, **row})


def validate_price(stock: LockedStock, price: Decimal) -> None:
    """Raise InvalidPrice."""
    fits = price.is_finite() and 0 < price < stock.greatest_price
    if not fits or price != round(price, 8):
        raise InvalidPrice


def plain(price: Decimal) -> str:
    """Return the price in digits, without zeros at the end."""
    return f"{price.normalize():f}"
