"""Reads of stocks and holdings: one statement each, however many there are."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from economy.stocks.pricing import NOTHING, Position, average_price, percent, value

A_DAY = timedelta(hours=24)
ISO_UTC = """to_char(stock.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
# The contract's names, in its order, and where they come from.
FIELDS = {
    "id": "stock.id",
    "symbol": "stock.symbol",
    "name": "stock.name",
    "description": "stock.description",
    "currentPrice": "stock.current_price",
    "totalSupply": "stock.total_supply",
    "circulatingSupply": "stock.circulating_supply",
    "availableSupply": "stock.total_supply - stock.circulating_supply",
    "marketCap": "trunc(stock.current_price * stock.circulating_supply, 2)",
    "maxLeverage": "stock.max_leverage",
    "status": "stock.status",
    "priceChange24h": "coalesce(earlier.price, first.price)",  # rendered as the change since
    "createdAt": ISO_UTC.format(column="created_at"),
    "updatedAt": ISO_UTC.format(column="updated_at"),
}
NAMES = tuple(FIELDS)
COLUMNS = ", ".join(FIELDS.values())
STOCKS = """
stocks AS stock
JOIN stock_prices AS first ON first.stock_id = stock.id AND first.sequence = 1
LEFT JOIN LATERAL (
    SELECT price FROM stock_prices WHERE stock_id = stock.id AND created_at <= %(a_day_ago)s
    ORDER BY created_at DESC, sequence DESC LIMIT 1
) AS earlier ON true
"""
ALL = f"SELECT {COLUMNS} FROM {STOCKS} ORDER BY stock.symbol"  # noqa: S608 - constants of this module
# One statement, so that what was just sold isn't in both the balance and the holdings.
PORTFOLIO = f"""
SELECT users.credit_balance, users.available_credits, users.locked_credits,
    holding.id, holding.shares, holding.invested, holding.exact_cost, holding.leverage, {COLUMNS}
FROM users
LEFT JOIN (stock_holdings AS holding JOIN ({STOCKS}) ON stock.id = holding.stock_id) ON holding.user_id = users.id
WHERE users.id = %(user_id)s ORDER BY stock.symbol
"""  # noqa: S608 - constants of this module


def list_stocks(*, now: datetime) -> list[dict[str, Any]]:
    return [as_contract(row) for row in fetch(ALL, {"a_day_ago": now - A_DAY})]


def portfolio(user_id: UUID, *, now: datetime) -> dict[str, Any]:
    """What the user holds and owns, at the prices of now: the contract's `portfolio` and `balances`."""
    rows = fetch(PORTFOLIO, {"user_id": user_id, "a_day_ago": now - A_DAY})
    held = [holding(row[3:]) for row in rows if row[3] is not None]
    balance, available, locked = rows[0][:3]
    stock_value = sum((entry["currentValue"] for entry in held), NOTHING)
    balances: dict[str, Decimal] = {
        "creditBalance": balance,
        "availableCredits": available,
        "lockedCredits": locked,
        "stockValue": stock_value,
        "netWorth": balance + locked + stock_value,
    }
    return {"portfolio": held, "balances": balances}


def holding(row: Sequence[Any]) -> dict[str, Any]:
    holding_id, shares, invested, exact_cost, leverage, *of_stock = row
    position = Position(shares, invested, exact_cost, leverage)
    stock = as_contract(of_stock)
    worth = value(position, stock["currentPrice"])
    return {
        "id": holding_id,
        "stock": stock,
        "shares": shares,
        "averageBuyPrice": average_price(position),
        "totalInvested": invested,
        "leverage": leverage,
        "currentValue": worth,
        "profit": worth - invested,
        "profitPercent": percent(worth - invested, invested),
    }


def as_contract(row: Sequence[Any]) -> dict[str, Any]:
    stock = dict(zip(NAMES, row, strict=True))
    before = stock["priceChange24h"]
    return stock | {"priceChange24h": percent(stock["currentPrice"] - before, before)}


def fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
