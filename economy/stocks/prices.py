"""Staff set prices, and open and close stocks for buyers, each change with who and why.

A price is a row of `stock_prices`, a status one of `stock_status_changes`; both are among what staff did, too.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.api.errors import DomainError
from core.db.sql import new_id
from core.db.transactions import run_transaction
from economy.stocks.liquidation import close_worthless_of, worthless_holders
from economy.stocks.models import GREATEST_WORTH, Stock
from economy.stocks.signals import price_changed
from economy.stocks.trading import Locked, lock_stock


class InvalidPrice(DomainError):
    code = "invalid_price"
    message = "A price is above 0, has at most 8 decimals, and no holding may be worth more than a balance holds."


class SameStatus(DomainError):
    code = "nothing_changed"
    message = "The stock has this status already."


# Both in one statement: the database refuses one without the other.
CHANGE_PRICE = """
WITH added AS (
    INSERT INTO stock_prices (id, stock_id, sequence, price, set_by_id, reason, created_at)
    VALUES (%(id)s, %(stock_id)s, %(sequence)s, %(price)s, %(set_by)s, %(reason)s, %(now)s)
)
UPDATE stocks SET current_price = %(price)s, price_sequence = %(sequence)s, updated_at = %(now)s
WHERE id = %(stock_id)s
"""
CHANGE_STATUS = """
WITH added AS (
    INSERT INTO stock_status_changes (id, stock_id, sequence, status, set_by_id, reason, created_at)
    SELECT %(id)s, %(stock_id)s, coalesce(max(sequence), 0) + 1, %(status)s, %(set_by)s, %(reason)s, %(now)s
    FROM stock_status_changes WHERE stock_id = %(stock_id)s
)
UPDATE stocks SET status = %(status)s, updated_at = %(now)s WHERE id = %(stock_id)s
"""


def set_price(*, stock_id: UUID, price: Decimal, by: StaffMember, reason: str, now: datetime) -> None:
    """What the price in force made worthless is closed first, and what this one does by a task at once.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, StockNotFound, InvalidPrice.
    """
    by.require(Permission.SET_STOCK_PRICES)
    reason = validate_reason(reason)
    while not run_transaction(lambda: change_price(stock_id, price, by=by, reason=reason, now=now)):
        close_worthless_of(stock_id=stock_id, now=now)
    price_changed.send(sender=Stock, stock_id=stock_id)


def change_price(stock_id: UUID, price: Decimal, *, by: StaffMember, reason: str, now: datetime) -> bool:
    """False where a holding is still to be closed at the price in force."""
    stock = lock_stock(stock_id)
    check_price(stock, price)
    if worthless_holders(stock_id, limit=1):
        return False
    row: dict[str, Any] = {"price": price, "sequence": stock.price_sequence + 1}
    execute(CHANGE_PRICE, stock_id, by=by, reason=reason, now=now, **row)
    before, after = {"price": plain(stock.price)}, {"price": plain(price)}
    record_action(
        "set_stock_price", by=by, target=Stock(pk=stock_id), reason=reason, before=before, after=after, now=now
    )
    return True


def change_status(*, stock_id: UUID, status: Stock.Status, by: StaffMember, reason: str, now: datetime) -> None:
    """Raises NotAllowed, ReasonMissing, ReasonTooLong, StockNotFound, SameStatus."""
    by.require(Permission.SET_STOCK_PRICES)
    reason = validate_reason(reason)

    def change() -> None:
        stock = lock_stock(stock_id)
        if stock.status == status:
            raise SameStatus
        execute(CHANGE_STATUS, stock_id, by=by, reason=reason, now=now, status=str(status))
        before, after = {"status": stock.status}, {"status": str(status)}
        record_action(
            "set_stock_status", by=by, target=Stock(pk=stock_id), reason=reason, before=before, after=after, now=now
        )

    run_transaction(change)


def execute(statement: str, stock_id: UUID, *, by: StaffMember, reason: str, now: datetime, **row: Any) -> None:
    who: dict[str, Any] = {"set_by": by.user.pk if by.user else None, "reason": reason, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(statement, {"id": new_id(), "stock_id": stock_id, **who, **row})


def check_price(stock: Locked, price: Decimal) -> None:
    fits = price.is_finite() and 0 < price < GREATEST_WORTH / (stock.total_supply * stock.max_leverage)
    if not fits or price != round(price, 8):
        raise InvalidPrice


def plain(price: Decimal) -> str:
    """Digits, without zeros at the end."""
    return f"{price.normalize():f}"
