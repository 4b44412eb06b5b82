"""Daily rewards: claimed by a user, or given by the nightly run to those who were active; once a UTC day.

Both are one statement (`reward_users`): it locks the users, and what is due follows from their locked rows. Streak,
reward and credits are written in one transaction. A day is one of UTC, and none is rewarded after a later one was:
a system time that goes backwards gives nothing.
"""

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection, transaction

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
STREAK = "CASE WHEN users.last_daily_reward_at >= %(yesterday)s THEN users.consecutive_days_online + 1 ELSE 1 END"
DUE = f"""
SELECT id, credit_balance, held_credits, journal_length, ledger_head, {USER_COLUMNS}, {STREAK} AS streak FROM users
WHERE id = ANY(%(users)s) AND is_active AND (last_daily_reward_at IS NULL OR last_daily_reward_at < %(today)s)
ORDER BY id FOR NO KEY UPDATE {{waiting}}
"""  # noqa: S608 - constants of this module
TRANSFERS = """
SELECT 1 AS place, id AS user_id, round((%(scale)s::numeric[])[least(streak, %(longest)s)], 2) AS amount,
    'daily_reward' AS transaction_type, 'issuance' AS counterparty, new_id() AS reference_id, 0 AS occurrence,
    0::numeric AS staked, 'Daily reward, day ' || streak AS description
FROM locked
"""
SET_STREAK = f"consecutive_days_online = {STREAK}, last_daily_reward_at = %(now)s"
INSERT_REWARDS = """
rewarded AS (
    INSERT INTO daily_rewards (id, user_id, day, streak, credits, created_at)
    SELECT reference_id, user_id, %(day)s, streak, amount, %(now)s FROM running JOIN locked ON locked.id = user_id
)
"""
NOTIFICATIONS = """
SELECT running.id, user_id, turn, 'daily_reward' AS type, reference_id, occurrence,
    jsonb_build_object('amount', amount, 'day', streak) AS data
FROM running JOIN locked ON locked.id = user_id
"""
RECORD_SCHEDULE = f"recorded AS ({RECORD})"
STATE = """
SELECT is_active, consecutive_days_online, last_daily_reward_at, credit_balance FROM users WHERE id = %(user_id)s
"""
# Signing in is activity, too: what comes after it is noted only every few minutes.
CANDIDATES = """
SELECT id FROM users
WHERE id > %(after)s AND is_active AND (last_daily_reward_at IS NULL OR last_daily_reward_at < %(today)s)
AND (%(since)s::timestamptz IS NULL OR greatest(last_active_at, last_login_at) >= %(since)s)
ORDER BY id LIMIT %(batch)s
"""


def midnight_before(moment: datetime) -> datetime:
    """Return when the UTC day of that moment began."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def claim_daily_reward(*, user_id: UUID, now: datetime) -> ClaimedReward:
    """Reward the user for this UTC day unless that was done. Raises AccountSuspended."""
    with transaction.atomic(savepoint=False):
        awarded = reward_users([user_id], now=now)
        ((is_active, streak, last_at, balance),) = fetch_all(STATE, {"user_id": user_id})
    if not is_active:
        raise AccountSuspended
    if awarded.amount:
        log_event("a user claimed a daily reward of %s", awarded.amount, userId=user_id)
    return ClaimedReward(awarded.amount, streak, midnight_before(max(last_at, now)) + A_DAY, balance)


def reward_users(users: list[UUID], *, now: datetime, waiting: str = WAIT) -> Batch:
    """Reward those of the users who are due, locking them in the order of their ids; one statement for all of it."""
    require_transaction("Rewarding")
    today = midnight_before(now)
    facts: dict[str, Any] = {"today": today, "yesterday": today - A_DAY, "day": today.date(), "now": now}
    scale: dict[str, Any] = {"scale": rules.DAILY_REWARDS, "longest": len(rules.DAILY_REWARDS)}
    recorded = parameters_of(DAILY_REWARD, rules.DAILY_REWARDS)
    return ledger.post_from(
        TRANSFERS,
        parameters={"users": users, **facts, **scale, **recorded},
        users=DUE.format(waiting=waiting),
        columns=SET_STREAK,
        also=f"{INSERT_REWARDS}, {RECORD_SCHEDULE}",
        notifications=NOTIFICATIONS,
        now=now,
    )


def reward_active_users(*, now: datetime) -> RunSummary:
    """Reward everybody who has been active lately and isn't rewarded for this UTC day yet; suspended users never.

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
    today, days = midnight_before(now), rules.DAILY_CREDITS_ACTIVE_DAYS
    since = today - days * A_DAY if days else None
    after = UUID(int=0)
    while True:
        place: dict[str, Any] = {"after": after, "batch": BATCH * BATCHES_READ}
        users = [user_id for (user_id,) in fetch_all(CANDIDATES, {"today": today, "since": since, **place})]
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
        given = run_transaction(partial(reward_users, users, now=now, waiting=waiting))
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
