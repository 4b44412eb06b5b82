"""Recording what markets' odds are, and thinning what was recorded: partitions are added ahead and dropped whole.

Changes of house markets' odds, and results, are recorded by triggers of `markets`, at their exact time.
"""

from datetime import datetime, timedelta
from typing import Any

from core.db.sql import execute, fetch_value
from core.db.transactions import run_transaction
from markets import rules

A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# So long before they are needed partitions are added.
WEEKS_AHEAD, QUARTERS_AHEAD = timedelta(weeks=2), timedelta(days=92)

ADD_PARTITIONS = "SELECT market_history_add_partitions(%(table)s, %(first)s::timestamptz, %(last)s::timestamptz)"
DROP_PARTITIONS = "SELECT market_history_drop_partitions(%(before)s::timestamptz)"
# The last point of each market is one look-up in an index of the newest week.
RECORD = """
INSERT INTO market_points (market_id, recorded_at, this_odds, bid, ask)
SELECT market.id, %(minute)s::timestamptz, fresh.this_odds, fresh.bid, fresh.ask
FROM markets AS market
CROSS JOIN LATERAL (
    SELECT round(market.this_odds * 10000)::smallint, round(market.bid * 10000)::smallint,
        round(market.ask * 10000)::smallint
) AS fresh (this_odds, bid, ask)
LEFT JOIN LATERAL (
    SELECT this_odds, bid, ask FROM market_points
    WHERE market_id = market.id AND recorded_at > %(since)s AND recorded_at <= %(minute)s
    ORDER BY recorded_at DESC LIMIT 1
) AS latest ON true
WHERE market.status = 'open' AND (
    market.market_type = 'credits'
    OR (market.odds_live AND market.odds_updated_at > %(confirmed_since)s)
    OR (market.odds_updated_at > %(watched_since)s
        AND market.id IN (SELECT market_id FROM market_watches WHERE watched_until > %(now)s))
)
AND (fresh.this_odds, fresh.bid, fresh.ask) IS DISTINCT FROM (latest.this_odds, latest.bid, latest.ask)
ON CONFLICT DO NOTHING
"""
ROLL_UP = """
INSERT INTO market_hourly_points (market_id, recorded_at, this_odds, bid, ask, is_backfilled)
SELECT DISTINCT ON (market_id, date_trunc('hour', recorded_at, 'UTC'))
    market_id, recorded_at, this_odds, bid, ask, is_backfilled
FROM market_points WHERE recorded_at >= %(first)s AND recorded_at < %(until)s
ORDER BY market_id, date_trunc('hour', recorded_at, 'UTC'), recorded_at DESC
ON CONFLICT DO NOTHING
"""


def record_points(*, now: datetime) -> int:
    """Record the odds of open markets as of the minute of `now`; return how many points were added.

    Of the house's markets, of those whose order book was read lately, and of those watched. A market whose last point
    says the same, and isn't HISTORY_GAP old, gets none. The same minute again adds nothing.
    """
    minute = now.replace(second=0, microsecond=0)
    parameters = {
        "now": now,
        "minute": minute,
        "since": minute - rules.HISTORY_GAP,
        "confirmed_since": now - rules.HISTORY_CONFIRMED_WITHIN,
        "watched_since": now - rules.HISTORY_WATCHED_WITHIN,
    }

    def record() -> int:
        add_partitions("market_points", minute, minute)
        return execute(RECORD, parameters)

    return run_transaction(record)


def add_partitions(table: str, first: datetime, last: datetime) -> int:
    """Add the partitions for points from `first` to `last` that are missing; return how many."""
    added: int = fetch_value(ADD_PARTITIONS, {"table": table, "first": first, "last": last})
    return added


def thin_history(*, rolled_up_until: datetime | None, now: datetime) -> dict[str, Any]:
    """Copy the last point of each hour to the hourly points, drop weeks that are over, and add partitions ahead.

    Hours from `rolled_up_until` on, a day a transaction; None for all that there are. Whatever is interrupted is done
    by the next run: an hour that was copied isn't copied again, and a week is dropped together with the copy of its
    last hours or not at all. Returns `{hourly, added, dropped, rolledUpUntil}`.
    """
    until = now.replace(minute=0, second=0, microsecond=0)
    oldest = until - rules.HISTORY_MINUTES_KEPT_FOR - timedelta(weeks=1)
    if rolled_up_until and rolled_up_until > until:
        # By a system time that was ahead: which hours were copied isn't known.
        rolled_up_until = None
    first = max(rolled_up_until or oldest, oldest)
    added = run_transaction(lambda: add_partitions("market_points", now, now + WEEKS_AHEAD))
    added += run_transaction(lambda: add_partitions("market_hourly_points", oldest, now + QUARTERS_AHEAD))
    hourly = roll_up(first, until)
    before = now - rules.HISTORY_MINUTES_KEPT_FOR
    dropped = run_transaction(lambda: fetch_value(DROP_PARTITIONS, {"before": before}))
    return {"hourly": hourly, "added": added, "dropped": dropped, "rolledUpUntil": until.isoformat()}


def roll_up(first: datetime, until: datetime) -> int:
    """Copy the last point of each hour between these whole hours; return how many were copied."""
    copied = 0
    while first < until:
        span = {"first": first, "until": min(first + A_DAY, until)}
        copied += run_transaction(lambda span=span: execute(ROLL_UP, span))  # type: ignore[misc]
        first = span["until"]
    return copied
