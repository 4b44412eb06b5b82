"""Reads of the ledger, of stocks and of holdings: one statement each, however many rows there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Sum

from accounts.models import User
from core.api.requests import decode_cursor, encode_cursor, invalid_cursor
from core.db.sql import fetch_all
from core.jobs.runs import last_run_with_result
from economy import rules
from economy.models import Counterparty, Debt, LedgerAnchor
from economy.serializers import AnchorSerializer, PositionSerializer, StockSerializer, TransactionSerializer
from economy.stocks.valuation import NOTHING, Position, average_price, percent, value

SEQUENCE_MAX = 2**63 - 1
SUMMARY_MAX = 20_000
A_DAY = timedelta(hours=24)
NOTHING_COUNTED = Decimal("0.00")

# A user's entries are numbered without gaps: the last number is how many there are, and an offset is a number.
ALL = f"""
SELECT total, page.* FROM (SELECT journal_length AS total FROM users WHERE id = %(user_id)s) AS owner
LEFT JOIN LATERAL (
    SELECT sequence, {TransactionSerializer.columns} FROM credit_transactions AS entry
    WHERE user_id = %(user_id)s AND sequence <= total - %(offset)s AND sequence < %(before)s
    ORDER BY sequence DESC LIMIT %(limit)s + 1
) AS page ON true
"""  # noqa: S608 - constants of this module
OF_TYPE = f"""
SELECT total, page.* FROM (
    SELECT count(*) AS total FROM credit_transactions WHERE user_id = %(user_id)s AND transaction_type = %(type)s
) AS counted
LEFT JOIN LATERAL (
    SELECT sequence, {TransactionSerializer.columns} FROM credit_transactions AS entry
    WHERE user_id = %(user_id)s AND transaction_type = %(type)s AND sequence < %(before)s
    ORDER BY sequence DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
) AS page ON true
"""  # noqa: S608 - constants of this module
SUMMARY = """
SELECT transaction_type, counterparty, count(*), sum(amount) FROM credit_transactions WHERE user_id = %(user_id)s
GROUP BY transaction_type, counterparty ORDER BY abs(sum(amount)) DESC
"""
# A user's entries have their times in order, or nearly: two that were posted at once may stand the other way round.
CLOSING = """
SELECT DISTINCT ON (day) (created_at AT TIME ZONE 'UTC')::date AS day, balance_after FROM (
    SELECT sequence, created_at, balance_after FROM credit_transactions
    WHERE user_id = %(user_id)s ORDER BY sequence DESC LIMIT %(rows)s
) AS newest ORDER BY day, sequence DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of a user's entries; `offset` and `from_cursor` exclude each other, and an empty type is none."""

    type: str | None = None
    limit: int = 50
    offset: int = 0
    from_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`total`: how many match in all. `next_cursor`: where to go on, None at the end."""

    transactions: list[dict[str, Any]]
    total: int
    next_cursor: str | None


def list_transactions(user_id: UUID, query: Query) -> Page:
    """Return a user's entries, newest first. Entries that are added meanwhile don't move what a cursor shows.

    Raises ValidationError for a cursor that isn't one.
    """
    place = {"before": position_of(query.from_cursor), "offset": query.offset, "limit": query.limit}
    rows = fetch_all(OF_TYPE if query.type else ALL, {"user_id": user_id, "type": query.type, **place})
    total = rows[0][0] if rows else 0
    found = [row for row in rows if row[1] is not None]
    shown = found[: query.limit]
    more = len(found) > len(shown)
    return Page(
        [TransactionSerializer.from_row(row[2:]) for row in shown],
        total,
        encode_cursor(shown[-1][1]) if more else None,
    )


def position_of(cursor: str | None) -> int:
    """Return the number of the last entry shown; all entries come before the greatest."""
    if cursor is None:
        return SEQUENCE_MAX
    parts = decode_cursor(cursor)
    # JSON's `true` is an int to Python.
    if len(parts) != 1 or type(parts[0]) is not int or not 1 <= parts[0] <= SEQUENCE_MAX:
        raise invalid_cursor()
    return parts[0]


def get_proof() -> dict[str, Any]:
    """Return what the newest anchors say of all credits, and what the last audit found: a few rows, never a count."""
    anchors = list(LedgerAnchor.objects.order_by("-sequence")[: rules.ANCHORS_SHOWN + 1])
    newest = anchors[0] if anchors else None
    sums = newest.counterparties if newest else {}
    audited = last_run_with_result("economy.audit_ledger")
    checks = audited.result["checks"] if audited and audited.result else {}
    shown = [AnchorSerializer.from_object(made, hash=bytes(made.hash).hex()) for made in anchors]
    return {
        "asOf": newest and newest.anchored_at,
        "circulation": newest.circulation if newest else NOTHING_COUNTED,
        "counterparties": {str(account): Decimal(sums.get(account, NOTHING_COUNTED)) for account in Counterparty},
        "entries": newest.entries if newest else 0,
        "users": newest.users if newest else 0,
        "invariants": [
            {"name": name, "holds": not found["broken"], "checked": found["examined"]} for name, found in checks.items()
        ],
        "auditedAt": audited and audited.finished_at,
        "head": shown[0] if shown else None,
        "previous": shown[1:],
    }


def get_proof_of_user(user_id: UUID) -> dict[str, Any]:
    """Return what the user's own entries have to come to, as of one moment."""
    user = User.objects.only("credit_balance", "journal_length", "ledger_head").get(pk=user_id)
    head = user.ledger_head
    return {
        "userId": user_id,
        "balance": user.credit_balance,
        "entries": user.journal_length,
        "head": None if head is None else bytes(head).hex(),
    }


def get_debt(user_id: UUID) -> Decimal:
    """Return the credits that the user owes the house."""
    still_open = Debt.objects.filter(user_id=user_id, repaid__lt=F("lent"))
    owed: Decimal | None = still_open.aggregate(owed=Sum(F("lent") - F("repaid")))["owed"]
    return owed or Decimal(0)


def summarize_entries(user_id: UUID) -> list[tuple[str, str, int, Decimal]]:
    """Return what a balance is made of: type, counterparty, how many entries and their sum; the greatest sums first.

    Reads all of the user's entries: for users of at most SUMMARY_MAX.
    """
    rows = fetch_all(SUMMARY, {"user_id": user_id})
    return [(transaction_type, counterparty, count, total) for transaction_type, counterparty, count, total in rows]


def get_closing_balances(user_id: UUID, *, rows: int) -> dict[date, Decimal]:
    """Return the balance at the end of each UTC day with an entry, as far back as the newest so many entries go."""
    return dict(fetch_all(CLOSING, {"user_id": user_id, "rows": rows}))


# Stocks

STOCKS = """
stocks AS stock
JOIN stock_prices AS first ON first.stock_id = stock.id AND first.sequence = 1
LEFT JOIN LATERAL (
    SELECT price FROM stock_prices WHERE stock_id = stock.id AND created_at <= %(a_day_ago)s
    ORDER BY created_at DESC, sequence DESC LIMIT 1
) AS earlier ON true
"""
ALL_STOCKS = f"SELECT {StockSerializer.columns} FROM {STOCKS} ORDER BY stock.symbol"  # noqa: S608 - constants
# One statement, so that what was just sold isn't in both the balance and the holdings.
PORTFOLIO = f"""
SELECT users.credit_balance, users.available_credits, users.locked_credits,
    holding.id, holding.shares, holding.invested, holding.exact_cost, holding.leverage, {StockSerializer.columns}
FROM users
LEFT JOIN (stock_holdings AS holding JOIN ({STOCKS}) ON stock.id = holding.stock_id) ON holding.user_id = users.id
WHERE users.id = %(user_id)s ORDER BY stock.symbol
"""  # noqa: S608 - constants of this module


def list_stocks(*, now: datetime) -> list[dict[str, Any]]:
    """Return all stocks, by symbol, with the change of their prices in the 24 hours before."""
    return [StockSerializer.from_row(row) for row in fetch_all(ALL_STOCKS, {"a_day_ago": now - A_DAY})]


def get_portfolio(user_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Return what the user holds and owns, at the prices of now: the contract's `portfolio` and `balances`."""
    rows = fetch_all(PORTFOLIO, {"user_id": user_id, "a_day_ago": now - A_DAY})
    positions = [render_position(row[3:]) for row in rows if row[3] is not None]
    balance, available, locked = rows[0][:3]
    stock_value = sum((position["currentValue"] for position in positions), NOTHING)
    balances: dict[str, Decimal] = {
        "creditBalance": balance,
        "availableCredits": available,
        "lockedCredits": locked,
        "stockValue": stock_value,
        "netWorth": balance + locked + stock_value,
    }
    return {"portfolio": positions, "balances": balances}


def render_position(row: Sequence[Any]) -> dict[str, Any]:
    holding_id, shares, invested, exact_cost, leverage, *of_stock = row
    position = Position(shares, invested, exact_cost, leverage)
    stock = StockSerializer.from_row(of_stock)
    current_value = value(position, stock["currentPrice"])
    profit = current_value - invested
    return PositionSerializer.from_object(
        position,
        holding_id=holding_id,
        average_price=average_price(position),
        current_value=current_value,
        profit=profit,
        profit_percent=percent(profit, invested),
        stock=stock,
    )
