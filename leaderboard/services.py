"""Updating the leaderboard: what users did on each day, then the standings of each period and category.

Each step is a statement about many users, which writes only the rows that differ. The tables that betting writes are
only read, from snapshots: an update neither waits for a bet nor makes one wait.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from core.days import A_DAY, LATEST_COMMIT, day_of, midnight
from core.db.sql import analyze, execute, fetch_all, fetch_value
from core.db.transactions import run_transaction
from leaderboard.categories import update_categories
from leaderboard.models import Board, CategoryBoard, LeftOutUser, MarketCategory, StaleStanding, UserDay
from leaderboard.rules import KEPT_DAYS, Period
from leaderboard.standings import delete_stale, mark_stale, update_standings

# Rows after which the planner's idea of a table is out of date; otherwise its own housekeeping is soon enough.
MANY = 10_000
# Called with what was counted and how many rows that wrote.
Progress = Callable[[str, int], None]

# What moved credits in a span of time, by user and UTC day. The ledger has no entry for a lost bet (nothing is paid),
# so realized profit is read where it is decided: a settled bet's payout less what was left of its stake, a sale's
# payout less the part sold, a stock sale's or liquidation's proceeds less what was invested. A refund realizes nothing.
# docs/ledger.md: `amount + staked` of the same events.
EVENTS = """
SELECT user_id, created_at AS moment, -amount AS volume, 0 AS realized_pnl FROM credit_transactions
WHERE transaction_type = 'bet_placed' AND created_at >= %(from_at)s AND created_at < %(until_at)s
UNION ALL
SELECT user_id, resolved_at, 0, actual_payout - (amount - sold_amount) FROM bets
WHERE status IN ('won', 'lost') AND resolved_at >= %(from_at)s AND resolved_at < %(until_at)s
UNION ALL
SELECT bets.user_id, sale.created_at, 0, sale.payout - sale.amount
FROM bet_sales AS sale JOIN bets ON bets.id = sale.bet_id
WHERE sale.created_at >= %(from_at)s AND sale.created_at < %(until_at)s
UNION ALL
SELECT user_id, created_at, 0, total_amount - invested FROM stock_transactions
WHERE type IN ('sell', 'liquidation') AND created_at >= %(from_at)s AND created_at < %(until_at)s
"""
# Counts whole days again: `from_at` and `until_at` are midnights. A user whose count of a day is different now is added
# to the stale standings, which the update then ranks again.
COUNT_DAYS = f"""
WITH counted AS MATERIALIZED (
    SELECT (moment AT TIME ZONE 'UTC')::date AS day, user_id, sum(volume) AS volume, sum(realized_pnl) AS realized_pnl
    FROM ({EVENTS}) AS events GROUP BY 1, 2
), gone AS (
    DELETE FROM user_days WHERE day >= (%(from_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND day < (%(until_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND NOT EXISTS (SELECT FROM counted WHERE counted.day = user_days.day AND counted.user_id = user_days.user_id)
    RETURNING user_id
), written AS (
    INSERT INTO user_days AS known (day, user_id, volume, realized_pnl)
    SELECT day, user_id, volume, realized_pnl FROM counted
    ON CONFLICT (day, user_id) DO UPDATE SET volume = excluded.volume, realized_pnl = excluded.realized_pnl
    WHERE (known.volume, known.realized_pnl) IS DISTINCT FROM (excluded.volume, excluded.realized_pnl)
    RETURNING user_id
)
INSERT INTO stale_standings (user_id) SELECT user_id FROM gone UNION ALL SELECT user_id FROM written
"""  # noqa: S608 - constants of this module
# A settlement that was reversed takes its profits back from the days that it gave them to.
REVERSED_SPANS = """
SELECT (started_at AT TIME ZONE 'UTC')::date, (coalesce(finished_at, reversed_at) AT TIME ZONE 'UTC')::date
FROM settlements WHERE reversed_at >= %(since)s
"""
PURGE_DAYS = """
WITH purged AS (
    DELETE FROM user_days WHERE day < %(first_kept)s RETURNING user_id, day, volume, realized_pnl
), added AS (
    INSERT INTO user_months AS known (user_id, month, volume, realized_pnl)
    SELECT user_id, date_trunc('month', day)::date, sum(volume), sum(realized_pnl) FROM purged GROUP BY 1, 2
    ON CONFLICT (user_id, month) DO UPDATE
    SET volume = known.volume + excluded.volume, realized_pnl = known.realized_pnl + excluded.realized_pnl
)
SELECT count(*) FROM purged
"""


def no_progress(counted: str, rows: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class LeaderboardUpdate:
    """How many rows were written: of days, of each period's standings, and of those of all categories."""

    days: int
    standings: dict[str, int]
    categories: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def update_leaderboard(*, now: datetime, progress: Progress = no_progress) -> LeaderboardUpdate:
    """Bring days and standings up to date, reading what happened since the last update and whom it concerns."""
    last = last_updated_at()
    since = last - LATEST_COMMIT if last else None
    days = 0
    for first_day, last_day in days_to_count(since=since, now=now):
        days += count_days(first_day, last_day)
        progress(f"{first_day} to {last_day}", days)
    newest = run_transaction(partial(mark_stale, since=since or now))
    if days > MANY:
        analyze("user_days")
    standings = {}
    # The period of all time comes first: the other periods, and categories, rank only users whom it ranks.
    for period in Period:
        standings[str(period)] = run_transaction(partial(update_standings, period, newest=newest, now=now))
        progress(str(period), standings[period])
    categories = run_transaction(partial(update_categories, newest=newest, now=now))
    progress("categories", categories)
    run_transaction(partial(delete_stale, newest))
    return LeaderboardUpdate(days, standings, categories)


def rebuild_leaderboard(*, now: datetime, progress: Progress = no_progress) -> LeaderboardUpdate:
    """Count everything anew, reading the history of all days that are kept."""
    run_transaction(delete_counts)
    return update_leaderboard(now=now, progress=progress)


def delete_counts() -> None:
    """Delete what was counted: without a board all standings are written anew, whatever they were."""
    for table in (Board, UserDay, StaleStanding, LeftOutUser, CategoryBoard, MarketCategory):
        table.objects.all().delete()


def last_updated_at() -> datetime | None:
    return Board.objects.filter(period=Period.ALL).values_list("updated_at", flat=True).first()


def days_to_count(*, since: datetime | None, now: datetime) -> Iterator[tuple[date, date]]:
    """Yield first and last day of the spans that may have changed since then; without it all that are kept."""
    today = day_of(now)
    yield max(min(day_of(since), today), first_kept(today)) if since else first_kept(today), today
    for first, until in fetch_all(REVERSED_SPANS, {"since": since}):
        if until >= first_kept(today):
            yield max(first, first_kept(today)), until


def first_kept(today: date) -> date:
    """Return the oldest day that isn't purged."""
    return today - KEPT_DAYS * A_DAY


def count_days(first: date, last: date) -> int:
    """Count whole days again; return how many users' days are different now."""
    span = {"from_at": midnight(first), "until_at": midnight(last + A_DAY)}
    return run_transaction(partial(execute, COUNT_DAYS, span))


def purge_days(*, now: datetime) -> int:
    """Add days older than KEPT_DAYS to their months, and delete them; return how many users' days that were."""
    purged: int = run_transaction(partial(fetch_value, PURGE_DAYS, {"first_kept": first_kept(day_of(now))}))
    return purged
