"""Reads of the leaderboards: from a milestone on, an index range scan of what is shown, at any depth."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.services import BettingRecord, Ranks
from core.api.json import dumps, iso_utc
from core.api.responses import offset_page, with_aliases
from core.days import A_DAY
from core.db.sql import Row, fetch_all
from leaderboard.models import EVER, Order, Scope
from leaderboard.rules import CACHED_SECONDS, INTERVAL_DAYS, SURROUNDING, Interval
from leaderboard.serializers import LEADERBOARD_ALIASES, WIN_RATE_SQL, LeaderboardEntrySerializer

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Query:
    """A page of a leaderboard."""

    scope: Scope
    limit: int
    offset: int


# From the last milestone at or before the page's first entry. Who was suspended since the count isn't shown.
ENTRIES = """
WITH milestone AS MATERIALIZED (
    SELECT passed, figure, created_at, user_id FROM {milestones} AS laid
    WHERE laid.{scope} = %(scope)s AND laid.order = '{order}' AND passed <= %(after)s ORDER BY passed DESC LIMIT 1
), chosen AS MATERIALIZED (
    SELECT %(after)s + row_number() OVER (ORDER BY minus_{order}, behind.created_at, behind.user_id) AS rank, behind.*
    FROM milestone CROSS JOIN LATERAL (
        SELECT minus_{order}, created_at, user_id, -minus_pnl AS overall_pnl, -minus_volume AS total_volume
        FROM {standings} AS standing WHERE standing.{scope} = %(scope)s
            AND (minus_{order}, standing.created_at, standing.user_id)
            >= (milestone.figure, milestone.created_at, milestone.user_id)
        ORDER BY minus_{order}, created_at, user_id LIMIT %(limit)s OFFSET %(after)s - passed
    ) AS behind
)
SELECT {columns}
FROM chosen JOIN users ON users.id = user_id LEFT JOIN user_totals AS totals ON totals.user_id = users.id
WHERE users.is_active AND NOT users.is_staff ORDER BY chosen.rank
"""
# A user's rank: the users before the nearest milestone ahead of the user, plus those from there up to and including the
# user.
PLACE = """
SELECT passed + (
    SELECT count(*) FROM {standings} AS passing
    WHERE passing.{scope} = %(scope)s
    AND (minus_{order}, passing.created_at, passing.user_id) >= (figure, laid.created_at, laid.user_id)
    AND (minus_{order}, passing.created_at, passing.user_id) <= (own.minus_{order}, own.created_at, own.user_id)
)
FROM {milestones} AS laid WHERE laid.{scope} = %(scope)s AND laid.order = '{order}'
AND (figure, created_at, user_id) <= (own.minus_{order}, own.created_at, own.user_id)
ORDER BY figure DESC, created_at DESC, user_id DESC LIMIT 1
"""
# A user's place, if any, besides the board's size: always one row.
OWN_PLACE = """
SELECT coalesce(board.total, 0), ({by_pnl}), ({by_volume}),
    coalesce(-own.minus_pnl, 0.00), coalesce(-own.minus_volume, 0.00)
FROM (SELECT 1) AS one LEFT JOIN {boards} AS board ON board.{scope} = %(scope)s
LEFT JOIN {standings} AS own ON own.{scope} = %(scope)s AND own.user_id = %(user_id)s
"""
# The biggest win is the last entry of an index.
RECORD = f"""
SELECT coalesce(totals.bets, 0), {WIN_RATE_SQL}, coalesce((
    SELECT actual_payout - (amount - sold_amount) AS profit FROM bets WHERE user_id = %(user_id)s AND status = 'won'
    ORDER BY profit DESC LIMIT 1
), 0.00)
FROM (SELECT 1) AS one LEFT JOIN user_totals AS totals ON totals.user_id = %(user_id)s
"""  # noqa: S608 - constants of this module
# The profit of all time now, and as it was when the days were counted; and those days.
HISTORY = """
SELECT users.overall_pnl, coalesce(-standing.minus_pnl, users.overall_pnl), days.day, days.realized_pnl
FROM users LEFT JOIN standings AS standing ON standing.period = 'all' AND standing.user_id = users.id
LEFT JOIN user_days AS days ON days.user_id = users.id AND days.day BETWEEN %(first)s AND %(today)s
WHERE users.id = %(user_id)s
"""

# The same by month, also of days that were purged.
HISTORY_BY_MONTH = """
SELECT users.overall_pnl, coalesce(-standing.minus_pnl, users.overall_pnl), past.month, past.realized_pnl
FROM users LEFT JOIN standings AS standing ON standing.period = 'all' AND standing.user_id = users.id
LEFT JOIN LATERAL (
    SELECT month, sum(realized_pnl) AS realized_pnl FROM (
        SELECT date_trunc('month', day)::date AS month, realized_pnl FROM user_days
        WHERE user_id = users.id AND day <= %(today)s
        UNION ALL
        SELECT month, realized_pnl FROM user_months WHERE user_id = users.id
    ) AS parts GROUP BY month
) AS past ON true
WHERE users.id = %(user_id)s
"""


def get_page(*, order: Order, query: Query) -> bytes:
    """Return the response body of a public list, from the shared cache where it has this page of the newest count."""
    scope = query.scope
    board = scope.find_board()
    updated_at = iso_utc(board.updated_at) if board else None
    key = f"leaderboard:{updated_at}:{order}:{scope.column}:{scope.key}:{query.limit}:{query.offset}"
    if board and (cached := read_cache(key)) is not None:
        return cached
    body = dumps(
        {
            "success": True,
            **with_aliases(
                LEADERBOARD_ALIASES,
                leaderboard=list_entries(order=order, scope=scope, after=query.offset, limit=query.limit),
            ),
            **offset_page(total=board.total if board else 0, limit=query.limit, offset=query.offset),
            "updatedAt": updated_at,
        }
    )
    # Of a category that there isn't the key would be whatever was sent.
    if board:
        write_cache(key, body)
    return body


def list_entries(*, order: Order, scope: Scope, after: int, limit: int) -> list[dict[str, Any]]:
    """Return ranks `after + 1` to `after + limit`, without gaps except for users suspended since the count."""
    statement = scope.sql(ENTRIES, order=order, columns=LeaderboardEntrySerializer.columns)
    rows = fetch_all(statement, {"scope": scope.key, "after": after, "limit": limit})
    return [LeaderboardEntrySerializer.from_row(row) for row in rows]


def get_ranking(*, user_id: UUID, order: Order, scope: Scope) -> dict[str, Any]:
    """Return the user's place, null where the user isn't ranked on the board, and who is around."""
    total, by_pnl, by_volume, overall_pnl, total_volume = get_place(user_id=user_id, scope=scope)
    rank = by_pnl if order == Order.PNL else by_volume
    return {
        "type": order,
        "rank": rank,
        "rankByPnL": by_pnl,
        "rankByVolume": by_volume,
        "totalUsers": total,
        "overallPnL": overall_pnl,
        "totalVolume": total_volume,
        "surrounding": list_surrounding(order, scope, rank=rank, total=total) if rank else [],
    }


def get_place(*, user_id: UUID, scope: Scope) -> tuple[Any, ...]:
    """Return the board's total, and the user's rank by profit, rank by volume, profit and volume."""
    by_pnl, by_volume = (scope.sql(PLACE, order=order) for order in (Order.PNL, Order.VOLUME))
    statement = scope.sql(OWN_PLACE, by_pnl=by_pnl, by_volume=by_volume)
    (found,) = fetch_all(statement, {"scope": scope.key, "user_id": user_id})
    return found


def get_ranks(user_id: UUID) -> Ranks:
    """Return what profiles show: the ranks of all time."""
    _, by_pnl, by_volume, _, _ = get_place(user_id=user_id, scope=EVER)
    return Ranks(by_pnl, by_volume)


def get_record(user_id: UUID) -> BettingRecord:
    """Return what `Me` shows of the user's bets, in a number of look-ups that doesn't depend on how many there are."""
    (found,) = fetch_all(RECORD, {"user_id": user_id})
    return BettingRecord(*found)


def get_pnl_history(*, user_id: UUID, interval: Interval, today: date) -> list[dict[str, Any]]:
    """Return each UTC day of the interval, oldest first, with the profit realized on it and up to its end.

    Days before today are as of the last update of the leaderboard; today is as of now. Of all of a history there is
    each month, by its first day, from the first with a profit or loss on.
    """
    if interval not in INTERVAL_DAYS:
        rows = fetch_all(HISTORY_BY_MONTH, {"user_id": user_id, "today": today})
        this_month = today.replace(day=1)
        first = min([month for *_, month, _ in rows if month] or [this_month])
        return add_up(rows, list(months_between(first, this_month)))
    days = [today - back * A_DAY for back in reversed(range(INTERVAL_DAYS[interval]))]
    return add_up(fetch_all(HISTORY, {"user_id": user_id, "first": days[0], "today": today}), days)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month."""
    while first <= last:
        yield first
        first = (first + 31 * A_DAY).replace(day=1)


def add_up(rows: Sequence[Row], dates: list[date]) -> list[dict[str, Any]]:
    """Return the profit of each date, and up to its end, from rows of HISTORY; the last date is as of now."""
    now, counted = rows[0][:2]
    realized = {day: pnl for _, _, day, pnl in rows if day}
    # Backwards from what is known: what was realized before the first of the dates isn't read.
    until = counted - sum(realized.values())
    history = []
    for day in dates:
        pnl = realized.get(day, NOTHING) if day < dates[-1] else now - until
        until += pnl
        history.append({"date": day, "pnl": pnl, "cumulativePnL": until})
    return history


def list_surrounding(order: Order, scope: Scope, *, rank: int, total: int) -> list[dict[str, Any]]:
    """Return the user and SURROUNDING others: half on either side, or more on one where the other has fewer."""
    after = max(0, min(rank - 1 - SURROUNDING // 2, total - 1 - SURROUNDING))
    return list_entries(order=order, scope=scope, after=after, limit=1 + SURROUNDING)


def read_cache(key: str) -> bytes | None:
    """Return the cached body; None also while the cache is away: it makes pages faster, nothing else."""
    with suppress(RedisError):
        body: bytes | None = cache.get(key)
        return body
    return None


def write_cache(key: str, body: bytes) -> None:
    """Cache a body. A new count has new keys: nothing old is ever read again."""
    with suppress(RedisError):
        cache.set(key, body, CACHED_SECONDS)
