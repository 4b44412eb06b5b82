"""Reading the boards: index range scans by rank, at any depth, and no counting."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import connection, models
from redis.exceptions import RedisError

from leaderboard.models import Board
from leaderboard.periods import Period
from leaderboard.rules import CACHED_SECONDS, SURROUNDING
from thisthat.common.json import dumps, iso_utc


class Order(models.TextChoices):
    PNL = "pnl"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Query:
    period: Period
    limit: int
    offset: int


# The range first, whatever the planner thinks of users.
ENTRIES = """
WITH chosen AS MATERIALIZED (
    SELECT rank_by_{order} AS place, user_id, overall_pnl, total_volume FROM ranks
    WHERE period = %(period)s AND rank_by_{order} > %(after)s AND rank_by_{order} <= %(until)s
)
SELECT place, users.id, users.username, users.avatar_url, chosen.overall_pnl, chosen.total_volume
FROM chosen JOIN users ON users.id = user_id ORDER BY place
"""
# One's own place, where one has any, beside the board's size: always one row.
MINE = """
SELECT coalesce(board.total, 0), ranks.rank_by_pnl, ranks.rank_by_volume,
    coalesce(ranks.overall_pnl, 0.00), coalesce(ranks.total_volume, 0.00)
FROM (SELECT 1) AS one LEFT JOIN boards AS board ON board.period = %(period)s
LEFT JOIN ranks ON ranks.period = %(period)s AND ranks.user_id = %(user_id)s
"""


def page(order: Order, query: Query) -> bytes:
    """The answer of a public list, from the shared cache where it has this page of the newest count."""
    board = Board.objects.filter(period=query.period).first()
    updated_at = iso_utc(board.updated_at) if board else None
    key = f"leaderboard:{updated_at}:{order}:{query.period}:{query.limit}:{query.offset}"
    if (known := remembered(key)) is not None:
        return known
    answer = dumps(
        {
            "success": True,
            "leaderboard": entries(order, query.period, after=query.offset, until=query.offset + query.limit),
            "total": board.total if board else 0,
            "limit": query.limit,
            "offset": query.offset,
            "updatedAt": updated_at,
        }
    )
    remember(key, answer)
    return answer


def entries(order: Order, period: Period, *, after: int, until: int) -> list[dict[str, Any]]:
    """Those of ranks `after + 1` to `until`."""
    rows = fetch(ENTRIES.format(order=order), {"period": str(period), "after": after, "until": until})
    return [entry(*row) for row in rows]


def entry(
    rank: int, user_id: UUID, username: str, avatar_url: str, overall_pnl: Any, total_volume: Any
) -> dict[str, Any]:
    user = {"id": user_id, "username": username, "avatarUrl": avatar_url or None}
    return {"rank": rank, "user": user, "overallPnL": overall_pnl, "totalVolume": total_volume}


def ranking(user_id: UUID, order: Order, period: Period) -> dict[str, Any]:
    """A user's own place, null where the user isn't ranked in the period, and who is around."""
    ((total, by_pnl, by_volume, overall_pnl, total_volume),) = fetch(MINE, {"period": str(period), "user_id": user_id})
    rank = by_pnl if order == Order.PNL else by_volume
    return {
        "type": order,
        "rank": rank,
        "rankByPnL": by_pnl,
        "rankByVolume": by_volume,
        "totalUsers": total,
        "overallPnL": overall_pnl,
        "totalVolume": total_volume,
        "surrounding": surrounding(order, period, rank=rank, total=total) if rank else [],
    }


def surrounding(order: Order, period: Period, *, rank: int, total: int) -> list[dict[str, Any]]:
    """The user, and ten others: five on either side, or more on one where the other has fewer."""
    after = max(0, min(rank - 1 - SURROUNDING // 2, total - 1 - SURROUNDING))
    return entries(order, period, after=after, until=after + 1 + SURROUNDING)


def remembered(key: str) -> bytes | None:
    """None, too, while the cache is away: it makes pages faster, nothing else."""
    with suppress(RedisError):
        known: bytes | None = cache.get(key)
        return known
    return None


def remember(key: str, answer: bytes) -> None:
    """A new count has new keys: nothing old is ever read again."""
    with suppress(RedisError):
        cache.set(key, answer, CACHED_SECONDS)


def fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
