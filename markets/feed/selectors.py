"""What the feed reads: which markets to feed; and what others read of the feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.db.sql import fetch_all
from markets import rules
from markets.feed.models import MarketFeed
from markets.polymarket.books import Tokens


class FedMarket(NamedTuple):
    market_id: UUID
    tokens: Tokens


# Watched are markets with open bets, whose watch ends last, and those that somebody looks at or streams. After them
# come the most traded ones by the newest edition. Each part reads no more of an index than it may return.
WANTED = """
SELECT market.id, market.this_token_id, market.that_token_id FROM (
    SELECT market_id, min(priority) AS priority, max(watched_until) AS watched_until, min(position) AS position FROM (
        (
            SELECT market_id, 1 AS priority, watched_until, NULL::integer AS position FROM market_watches
            WHERE watched_until > %(now)s ORDER BY watched_until DESC LIMIT %(limit)s
        ) UNION ALL (
            SELECT market_id, 2, NULL, position FROM market_rankings
            WHERE edition = (SELECT max(id) FROM market_editions) AND sort = 'trending'
            ORDER BY position LIMIT %(limit)s
        )
    ) AS candidate GROUP BY market_id
) AS wanted JOIN markets AS market ON market.id = wanted.market_id
WHERE market.status = 'open' AND market.market_type = 'polymarket'
AND market.this_token_id <> '' AND market.that_token_id <> '' AND market.this_token_id <> market.that_token_id
ORDER BY wanted.priority, wanted.watched_until DESC, wanted.position LIMIT %(limit)s
"""


def wanted_markets(*, limit: int, now: datetime) -> list[FedMarket]:
    """Return the markets to feed, those that matter most first; one query."""
    return [
        FedMarket(market_id, (this, that)) for market_id, this, that in fetch_all(WANTED, {"now": now, "limit": limit})
    ]


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How the feed does, as others see it. `heard_at`: how new what it knows is at least; None while it isn't known."""

    is_running: bool
    heard_at: datetime | None
    connections: int
    tokens: int
    trusted: int

    def is_healthy(self, *, now: datetime) -> bool:
        """Return whether a process is the feed, and has heard of all its connections lately."""
        # Beyond now is a time of another machine, whose system time is ahead: it says little of how old prices are.
        return self.is_running and self.heard_at is not None and abs(self.heard_at - now) <= rules.FEED_SILENT_AFTER


def feed_health(*, now: datetime) -> FeedHealth:
    """Return how the feed does; one query."""
    feed = MarketFeed.objects.first()
    if feed is None:
        return FeedHealth(is_running=False, heard_at=None, connections=0, tokens=0, trusted=0)
    return FeedHealth(feed.expires_at > now, feed.heard_at, feed.connections, feed.tokens, feed.trusted)
