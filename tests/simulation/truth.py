"""What the database holds, committed, read over a connection of the simulation's own; and what it holds for others."""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import psycopg

USER_COLUMNS = (
    "credit_balance",
    "held_credits",
    "locked_credits",
    "expended_credits",
    "total_volume",
    "overall_pnl",
    "referral_credits_earned",
    "referral_count",
    "consecutive_days_online",
    "last_daily_reward_at",
    "is_active",
    "deletion_due_at",
    "sessions_ended",
    "journal_length",
)
USERS = f"SELECT id::text, {', '.join(USER_COLUMNS)} FROM users"  # noqa: S608 - constants
USERS_BY_ID = f"{USERS} WHERE id = ANY(%s::uuid[])"
ENTRIES = """
SELECT known.id, sequence, amount, balance_after, transaction_type, counterparty, reference_id::text, occurrence,
    created_at
FROM unnest(%s::text[], %s::bigint[]) AS known (id, length)
JOIN credit_transactions ON user_id = known.id::uuid AND sequence > known.length ORDER BY known.id, sequence
"""
BET_COLUMNS = (
    "user_id::text",
    "market_id::text",
    "side",
    "amount",
    "odds_at_bet",
    "shares",
    "status",
    "sold_amount",
    "sold_payout",
    "sale_count",
    "settlement_count",
    "actual_payout",
    "placed_at",
    "resolved_at",
)
BETS = f"SELECT id::text, {', '.join(BET_COLUMNS)} FROM bets WHERE id = ANY(%s::uuid[])"  # noqa: S608 - constants
MARKETS = """
SELECT id::text, polymarket_id, status, resolution, accepting_orders, suspended_reason <> '', expires_at, title
FROM markets
"""
HOLDINGS = "SELECT user_id::text, shares, invested, exact_cost, leverage FROM stock_holdings WHERE stock_id = %s"
STOCKS = "SELECT id::text, symbol, current_price, total_supply, circulating_supply, max_leverage, status FROM stocks"
ACTIVITY = "SELECT id::text, last_active_at FROM users WHERE id = ANY(%s::uuid[])"
UNSETTLED = "SELECT DISTINCT market_id::text FROM bets WHERE market_id = ANY(%s::uuid[]) AND status = 'pending'"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
TIMEOUT_SECONDS = 30
KEPT_EVENT = "SELECT next_attempt_at FROM provider_events WHERE event_id = %s AND processed_at IS NULL"
PURCHASES = "SELECT id::text, status FROM credit_purchases"
USERNAME = "SELECT username FROM users WHERE id = %s::uuid"
COUNTS = "SELECT (SELECT count(*) FROM bets), (SELECT count(*) FROM users)"


class Truth:
    """Reads what is committed; a superuser's connection, which no fault touches."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True, prepare_threshold=1)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, parameters or None).fetchall()

    def users(self, ids: Iterable[str] | None) -> dict[str, tuple[Any, ...]]:
        """Return the columns of these users, or of all."""
        found = self.rows(USERS) if ids is None else self.rows(USERS_BY_ID, list(ids))
        return {row[0]: row[1:] for row in found}

    def entries(self, known: Sequence[tuple[str, int]]) -> list[tuple[Any, ...]]:
        """Return the ledger entries of users, each after so many that are known."""
        return self.rows(ENTRIES, [user for user, _ in known], [length for _, length in known])

    def bets(self, ids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in self.rows(BETS, list(ids))}

    def value(self, statement: str, *parameters: Any) -> Any:
        return self.rows(statement, *parameters)[0][0]

    # -- What others do in the database

    def is_blocked(self, waiting: int, by: int) -> bool:
        """Return whether one session waits for a lock that another holds."""
        return by in self.value("SELECT pg_blocking_pids(%s)", waiting)

    def terminate(self, session: int) -> None:
        """End a session, as a server does that shuts down, and wait until it is gone."""
        # With a timeout of its own the function looks every tenth of a second, which is the time of several operations.
        self.rows("SELECT pg_terminate_backend(%s)", session)
        deadline = time.perf_counter() + TIMEOUT_SECONDS
        while session in self.sessions():
            if time.perf_counter() > deadline:
                raise TimeoutError("A session doesn't end that was terminated.")

    def sessions(self) -> set[int]:
        """Return the process ids of all sessions with the database."""
        return {pid for (pid,) in self.rows(SESSIONS)}

    def wait_for_end_of_others(self, but: set[int]) -> None:
        """Wait until no session is left but these: one whose client was killed has its locks until it notices."""
        deadline = time.perf_counter() + TIMEOUT_SECONDS
        while self.sessions() - but:
            if time.perf_counter() > deadline:
                raise TimeoutError("A session doesn't end whose client was killed.")

    def age_keys(self, by: timedelta) -> None:
        """Make stored responses older: the database's own time can't be moved."""
        self.connection.execute("UPDATE idempotency_keys SET created_at = created_at - %s", [by])
