"""Daily rewards: claimed by a user, or given by the nightly run to those who were active; once a UTC day.

A day counts when the user was active or claimed on it. A claim rewards the day that it is made on, the nightly run the
days that have ended, of who was active on them. What an earlier run missed is made good, by a claim too: days are
rewarded in order, none after a later one was, so that a system time that goes backwards gives nothing.

Both are one statement (`reward_users`): it locks the users, and what is due follows from their locked rows. Streak,
reward and credits are written in one transaction.
"""

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.activity import WAS_ACTIVE_ON_DAY
from accounts.errors import AccountSuspended
from core.api.errors import DomainError
from core.db.sql import fetch_all
from core.db.transactions import COLLISIONS, require_transaction, run_transaction, sqlstate_of
from core.events import log_event
from economy import ledger, rules
from economy.errors import UsersUnpaid
from economy.ledger import Batch
from economy.recorded_rules import DAILY_REWARD, RECORD, parameters_of
from notifications.services import USER_COLUMNS

logger = logging.getLogger(__name__)
BATCH = 5_000
BATCHES_READ = 20
CONNECTIONS = 2  # in parallel: PostgreSQL runs the statement of each on one core
A_DAY = timedelta(days=1)
EXAMPLES = 20
WAIT, DONT_WAIT = "", "SKIP LOCKED"


@dataclass(frozen=True, slots=True)
class ClaimedReward:
    """`credits`: 0 where the day was rewarded already. `streak`: consecutive days rewarded. `balance`: after it."""

    credits: Decimal
    streak: int
    next_at: datetime
    balance: Decimal


@dataclass(slots=True)
class RunSummary:
    """What a nightly run did: users rewarded, their credits, and whom it couldn't reward."""

    users: int = 0
    credits: Decimal = Decimal(0)
    unpaid: list[UUID] = field(default_factory=list)

    def add(self, part: "RunSummary") -> None:
        self.users += part.users
        self.credits += part.credits
        self.unpaid += part.unpaid


# Whoever waited for a lock is judged by the row as it is then.
DUE = f"""
SELECT id, credit_balance, held_credits, journal_length, ledger_head, {USER_COLUMNS}, consecutive_days_online,
    last_active_at, earlier_active_days, (last_daily_reward_at AT TIME ZONE 'UTC')::date AS rewarded_on
FROM users
WHERE id = ANY(%(users)s) AND is_active AND (last_daily_reward_at IS NULL OR last_daily_reward_at < %(newest)s)
ORDER BY id FOR NO KEY UPDATE {{waiting}}
"""  # noqa: S608 - constants
# Days without a gap between them have the same `run`. The first run of a user may go on with what was rewarded before.
TRANSFERS = f"""
SELECT day - DATE 'epoch' AS place, id AS user_id,
    round((%(scale)s::numeric[])[least(streak, %(longest)s)], 2) AS amount,
    'daily_reward' AS transaction_type, 'issuance' AS counterparty, new_id() AS reference_id, 0 AS occurrence,
    0::numeric AS staked, 'Daily reward, day ' || streak AS description, day, streak
FROM (
    SELECT id, day, (row_number() OVER consecutive + CASE first_value(day) OVER consecutive
        WHEN rewarded_on + 1 THEN consecutive_days_online ELSE 0 END)::integer AS streak
    FROM (
        SELECT locked.*, day, day - (row_number() OVER (PARTITION BY id ORDER BY day))::integer AS run
        FROM locked CROSS JOIN unnest(%(days)s::date[]) AS day
        WHERE (rewarded_on IS NULL OR day > rewarded_on) AND (day = %(claimed)s::date OR {WAS_ACTIVE_ON_DAY})
    ) AS due WINDOW consecutive AS (PARTITION BY id, run ORDER BY day)
) AS counted
"""  # noqa: S608 - constants
# A reward for a day that has ended is of its last moment: `last_daily_reward_at` is always on the day rewarded.
SET_STREAK = """
consecutive_days_online = change.streak, last_daily_reward_at =
    least(%(now)s, (change.day + 1)::timestamp AT TIME ZONE 'UTC' - interval '1 microsecond')
"""
INSERT_REWARDS = """
rewarded AS (
    INSERT INTO daily_rewards (id, user_id, day, streak, credits, created_at)
    SELECT reference_id, user_id, day, streak, amount, %(now)s FROM running
)
"""
NOTIFICATIONS = """
SELECT running.id, user_id, turn, 'daily_reward' AS type, reference_id, occurrence,
    jsonb_build_object('amount', amount, 'day', streak) AS data
FROM running
"""
RECORD_SCHEDULE = f"recorded AS ({RECORD})"
STATE = """
SELECT is_active, consecutive_days_online, last_daily_reward_at, credit_balance, coalesce(credits, 0)
FROM users LEFT JOIN daily_rewards ON user_id = users.id AND day = %(today)s WHERE users.id = %(user_id)s
"""
CANDIDATES = f"""
SELECT id FROM users
WHERE id > %(after)s AND is_active AND last_active_at >= %(oldest)s
AND (last_daily_reward_at IS NULL OR last_daily_reward_at < %(newest)s)
AND EXISTS (
    SELECT FROM unnest(%(days)s::date[]) AS day WHERE {WAS_ACTIVE_ON_DAY}
    AND (last_daily_reward_at IS NULL OR day > (last_daily_reward_at AT TIME ZONE 'UTC')::date)
)
ORDER BY id LIMIT %(batch)s
"""  # noqa: S608 - constants


def midnight_before(moment: datetime) -> datetime:
    """Return when the UTC day of that moment began."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def midnight_of(day: date) -> datetime:
    """Return when a UTC day begins."""
    return datetime.combine(day, time.min, UTC)


def days_ended(now: datetime) -> list[date]:
    """Return the UTC days that have ended and may still be rewarded, the newest last."""
    today = midnight_before(now).date()
    return [today - days * A_DAY for days in range(rules.DAYS_REWARDED_LATE, 0, -1)]


def claim_daily_reward(*, user_id: UUID, now: datetime) -> ClaimedReward:
    """Reward the user for this UTC day unless that was done. Raises AccountSuspended.

    A day before it that the nightly run hasn't rewarded yet is rewarded too: `balance` has it, `credits` hasn't.
    """
    today = midnight_before(now).date()
    with transaction.atomic(savepoint=False):
        awarded = reward_users([user_id], days=[*days_ended(now), today], claimed=today, now=now)
        ((is_active, streak, last_at, balance, credits_),) = fetch_all(STATE, {"user_id": user_id, "today": today})
    if not is_active:
        raise AccountSuspended
    if awarded.amount:
        log_event("a user claimed a daily reward of %s", awarded.amount, userId=user_id)
    next_at = midnight_before(max(last_at, now)) + A_DAY
    return ClaimedReward(credits_ if awarded.amount else Decimal(0), streak, next_at, balance)


def reward_users(
    users: list[UUID], *, days: list[date], claimed: date | None = None, now: datetime, waiting: str = WAIT
) -> Batch:
    """Reward those of the users who are due for one of the days, which are in order, or claimed one; in one statement.

    Users are locked in the order of their ids.
    """
    require_transaction("Rewarding")
    facts: dict[str, Any] = {"days": days, "newest": midnight_of(days[-1]), "claimed": claimed, "now": now}
    scale: dict[str, Any] = {"scale": rules.DAILY_REWARDS, "longest": len(rules.DAILY_REWARDS)}
    recorded = parameters_of(DAILY_REWARD, rules.DAILY_REWARDS)
    return ledger.post_from(
        TRANSFERS,
        parameters={"users": users, **facts, **scale, **recorded},
        more=ledger.MoreOfStatement(
            users=DUE.format(waiting=waiting),
            kept=("day", "streak"),
            columns=SET_STREAK,
            also=f"{INSERT_REWARDS}, {RECORD_SCHEDULE}",
            notifications=NOTIFICATIONS,
        ),
        now=now,
    )


def reward_active_users(*, now: datetime) -> RunSummary:
    """Reward everybody for the UTC days that have ended, on which they were active; suspended users never.

    In batches of their own transactions, on connections of their own. Whose row is locked at the moment, or who can't
    be rewarded, is tried again at the end, so that nobody waits for them.
    Raises UsersUnpaid once all others are rewarded.
    """
    summary = RunSummary()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for waiting in (DONT_WAIT, WAIT):
            work = partial(reward_batches, now=now, waiting=waiting)
            for batches in list_candidates(now=now):
                for part in pool.map(work, (batches[first::CONNECTIONS] for first in range(CONNECTIONS))):
                    summary.add(part)
    if summary.unpaid:
        examples = ", ".join(map(str, summary.unpaid[:EXAMPLES]))
        raise UsersUnpaid(f"{len(summary.unpaid)} users couldn't be rewarded: {examples}")
    return summary


def list_candidates(*, now: datetime) -> Iterator[list[list[UUID]]]:
    """Yield who may be due, in lists of batches, each batch in the order of ids.

    A batch takes few users of a page of the table, spread over many pages: there is room for their new rows on the same
    page then, and no index is written.
    """
    days = days_ended(now)
    facts = {"days": days, "oldest": midnight_of(days[0]), "newest": midnight_of(days[-1])}
    after = UUID(int=0)
    while True:
        place: dict[str, Any] = {"after": after, "batch": BATCH * BATCHES_READ}
        users = [user_id for (user_id,) in fetch_all(CANDIDATES, {**facts, **place})]
        if not users:
            return
        batches = math.ceil(len(users) / BATCH)
        yield [users[first::batches] for first in range(batches)]
        after = users[-1]


def reward_batches(batches: list[list[UUID]], *, now: datetime, waiting: str) -> RunSummary:
    """Reward users in a thread of its own, whose connection it leaves closed."""
    summary = RunSummary()
    try:
        for users in batches:
            reward_or_split(users, summary, now=now, waiting=waiting)
    finally:
        connection.close()
    return summary


def reward_or_split(users: list[UUID], summary: RunSummary, *, now: datetime, waiting: str) -> None:
    """Reward a batch; one that can't be written is halved until those users remain who are the cause."""
    try:
        given = run_transaction(partial(reward_users, users, days=days_ended(now), now=now, waiting=waiting))
    except (DatabaseError, DomainError) as exc:
        if isinstance(exc, OperationalError) and sqlstate_of(exc) not in COLLISIONS:
            # The database is away: that is nobody's own trouble.
            raise
        if len(users) == 1:
            if waiting == WAIT:
                logger.exception("user %s couldn't be rewarded", users[0])
                summary.unpaid += users
            return
        middle = len(users) // 2
        for half in (users[:middle], users[middle:]):
            reward_or_split(half, summary, now=now, waiting=waiting)
    else:
        summary.users += given.users
        summary.credits += given.amount
