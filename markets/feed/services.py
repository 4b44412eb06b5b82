"""What the feed writes: its lease, by which one process at a time is the feed, and prices while it holds it.

A lease is a row that runs out, by the database's clock. An advisory lock would belong to a session, which is nobody's
where a pooler shares sessions between transactions; and it outlives a process whose machine vanished.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from core.db.sql import execute, fetch_one
from markets.prices import PricesAsOf, set_prices


class LeaseLostError(Exception):
    """Another process is the feed."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How the feed does; see `MarketFeed`."""

    heard_at: datetime | None = None
    connections: int = 0
    tokens: int = 0
    trusted: int = 0


# One statement, so that of two processes that want it at once one gets it.
HOLD = """
INSERT INTO market_feed AS feed (id, holder, acquired_at, expires_at, heard_at, connections, tokens, trusted)
VALUES (
    1, %(holder)s, clock_timestamp(), clock_timestamp() + %(seconds)s * interval '1 second',
    %(heard_at)s, %(connections)s, %(tokens)s, %(trusted)s
)
ON CONFLICT (id) DO UPDATE SET
    holder = excluded.holder, expires_at = excluded.expires_at, heard_at = excluded.heard_at,
    connections = excluded.connections, tokens = excluded.tokens, trusted = excluded.trusted,
    acquired_at = CASE WHEN feed.holder = excluded.holder THEN feed.acquired_at ELSE excluded.acquired_at END
WHERE feed.holder = excluded.holder OR feed.expires_at <= clock_timestamp()
"""
RELEASE = "UPDATE market_feed SET expires_at = clock_timestamp(), heard_at = NULL WHERE holder = %s"
# Whoever wants the lease waits until the transaction ends: nothing is written after it was lost.
FENCE = "SELECT FROM market_feed WHERE holder = %s FOR NO KEY UPDATE"


def hold_lease(*, holder: UUID, seconds: float, state: FeedState) -> bool:
    """Take the lease, or renew it, for so many seconds; return whether `holder` has it now."""
    parameters = {
        "holder": holder,
        "seconds": seconds,
        "heard_at": state.heard_at,
        "connections": state.connections,
        "tokens": state.tokens,
        "trusted": state.trusted,
    }
    return execute(HOLD, parameters) == 1


def release_lease(*, holder: UUID) -> None:
    """Let another process be the feed at once."""
    execute(RELEASE, [holder])


def write_prices(heard: Sequence[PricesAsOf], *, holder: UUID, now: datetime) -> dict[UUID, bool]:
    """Set the prices of open markets; return which rows took them, and whether they are others now.

    Raises LeaseLostError where another process has become the feed: nothing is written then.
    """
    with transaction.atomic(durable=True):
        if fetch_one(FENCE, [holder]) is None:
            raise LeaseLostError
        return set_prices(heard, now=now)
