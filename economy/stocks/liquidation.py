"""Closing what a price made worthless: a sale for nothing, whose loss is all that was invested.

A holding is worthless when its value, rounded down, is 0. Prices don't change while one of that stock is open
(`economy.stocks.prices`), so that which holdings a price closes doesn't depend on how fast the task was.
"""

from datetime import datetime
from uuid import UUID

from django.db import connection

from core.db.transactions import run_transaction
from economy.stocks.pricing import NOTHING, value
from economy.stocks.trading import Locked, Trade, Trader, Type, book, lock_stock, lock_traders

BATCH = 500
# `pricing.value` is 0: what is worth less than a cent.
WORTHLESS = "invested + leverage * (shares * current_price - exact_cost) < 0.01"
OF_STOCK = f"""
SELECT user_id FROM stock_holdings JOIN stocks ON stocks.id = stock_id
WHERE stock_id = %(stock_id)s AND {WORTHLESS} ORDER BY user_id LIMIT %(limit)s
"""  # noqa: S608 - constants of this module
STOCKS = f"""
SELECT stocks.id FROM stocks
WHERE EXISTS (SELECT FROM stock_holdings WHERE stock_id = stocks.id AND {WORTHLESS}) ORDER BY stocks.id
"""  # noqa: S608 - constants of this module


def close_worthless_holdings(*, now: datetime) -> int:
    """Of all stocks; returns how many it closed. Running it again, or twice at once, closes none twice."""
    with connection.cursor() as cursor:
        cursor.execute(STOCKS)
        stock_ids = [stock_id for (stock_id,) in cursor.fetchall()]
    return sum(close_worthless_of(stock_id=stock_id, now=now) for stock_id in stock_ids)


def close_worthless_of(*, stock_id: UUID, now: datetime) -> int:
    """In batches, a transaction each; returns how many it closed."""
    closed = 0
    while batch := run_transaction(lambda: close_batch(stock_id, now)):
        closed += batch
    return closed


def close_batch(stock_id: UUID, now: datetime) -> int:
    stock = lock_stock(stock_id)
    traders = lock_traders(stock, worthless_holders(stock_id, limit=BATCH))
    if traders:
        book([liquidation(stock, trader) for trader in traders], now=now)
    return len(traders)


def worthless_holders(stock_id: UUID, *, limit: int) -> list[UUID]:
    """Who holds nothing of value of the stock. Stays as it is while the stock is locked."""
    with connection.cursor() as cursor:
        cursor.execute(OF_STOCK, {"stock_id": stock_id, "limit": limit})
        return [user_id for (user_id,) in cursor.fetchall()]


def close_if_worthless(stock: Locked, trader: Trader, *, now: datetime) -> bool:
    """Inside the caller's transaction, which holds both."""
    if trader.position is None or value(trader.position, stock.price):
        return False
    book([liquidation(stock, trader)], now=now)
    return True


def liquidation(stock: Locked, trader: Trader) -> Trade:
    if trader.position is None:
        raise ValueError("Only what is held can be closed.")
    return Trade(trader=trader, stock=stock, type=Type.LIQUIDATION, part=trader.position, amount=NOTHING)
