"""Staff set prices, and open and close stocks for buyers. Every price is a row of `stock_prices`: when, who and why."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User
from economy.stocks.liquidation import close_worthless_of, worthless_holders
from economy.stocks.models import GREATEST_WORTH, Stock, StockPrice
from economy.stocks.signals import price_changed
from economy.stocks.trades import Locked, lock_stock
from thisthat.common.errors import DomainError
from thisthat.common.keys import new_id
from thisthat.common.transactions import run_transaction

REASON_LETTERS_MAX = StockPrice._meta.get_field("reason").max_length or 0  # noqa: SLF001 - Django's public name for it


class NotStaff(DomainError):
    code = "permission_denied"
    status = 403
    message = "Only staff may do this."


class InvalidPrice(DomainError):
    code = "invalid_price"
    message = "A price is above 0, has at most 8 decimals, and no holding may be worth more than a balance holds."


class ReasonRequired(DomainError):
    code = "reason_required"
    message = f"Say why the price changes, in at most {REASON_LETTERS_MAX} letters."


# Both in one statement: the database refuses one without the other.
CHANGE = """
WITH added AS (
    INSERT INTO stock_prices (id, stock_id, sequence, price, set_by_id, reason, created_at)
    VALUES (%(id)s, %(stock_id)s, %(sequence)s, %(price)s, %(set_by)s, %(reason)s, %(now)s)
)
UPDATE stocks SET current_price = %(price)s, price_sequence = %(sequence)s, updated_at = %(now)s
WHERE id = %(stock_id)s
"""


def set_price(*, stock_id: UUID, price: Decimal, staff_id: UUID, reason: str, now: datetime) -> None:
    """What the price in force made worthless is closed first, and what this one does by a task at once.

    Raises NotStaff, ReasonRequired, StockNotFound, InvalidPrice.
    """
    check_staff(staff_id)
    why = reason.strip()
    if not 0 < len(why) <= REASON_LETTERS_MAX:
        raise ReasonRequired
    change: dict[str, Any] = {"price": price, "set_by": staff_id, "reason": why, "now": now}
    while not run_transaction(lambda: change_price(stock_id, change)):
        close_worthless_of(stock_id=stock_id, now=now)
    price_changed.send(sender=Stock, stock_id=stock_id)


def change_price(stock_id: UUID, change: dict[str, Any]) -> bool:
    """False where a holding is still to be closed at the price in force."""
    stock = lock_stock(stock_id)
    check_price(stock, change["price"])
    if worthless_holders(stock_id, limit=1):
        return False
    with connection.cursor() as cursor:
        row: dict[str, Any] = {"id": new_id(), "stock_id": stock_id, "sequence": stock.price_sequence + 1}
        cursor.execute(CHANGE, {**change, **row})
    return True


def change_status(*, stock_id: UUID, status: Stock.Status, staff_id: UUID, now: datetime) -> None:
    """Raises NotStaff, StockNotFound."""
    check_staff(staff_id)

    def change() -> None:
        lock_stock(stock_id)
        Stock.objects.filter(pk=stock_id).update(status=status, updated_at=now)

    run_transaction(change)


def check_staff(staff_id: UUID) -> None:
    if not User.objects.filter(pk=staff_id, is_staff=True, is_active=True).exists():
        raise NotStaff


def check_price(stock: Locked, price: Decimal) -> None:
    fits = price.is_finite() and 0 < price < GREATEST_WORTH / (stock.total_supply * stock.max_leverage)
    if not fits or price != round(price, 8):
        raise InvalidPrice
