"""What streams show, read from the rows: markets as they are, and of users what is new since a position.

A position is two numbers: how many ledger entries and how many notifications of the user a client has been told of.
Both are written under the lock of the user's row, so that whoever has seen one has missed none before it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from betting.serializers import BetSerializer
from core.api.json import dumps
from core.api.requests import parse_uuid
from core.db.sql import Row, fetch_all, fetch_one
from markets.changes import read_current
from markets.models import Market
from markets.serializers import MarketOddsSerializer, MarketStatusSerializer
from notifications.models import NotificationType
from notifications.selectors import Row as NotificationRow
from notifications.selectors import as_json
from stream import rules
from stream.serializers import BalanceSerializer


class Position(NamedTuple):
    """Numbers of a user's ledger entries and notifications."""

    ledger: int = 0
    notifications: int = 0


class MarketState(NamedTuple):
    """A market as streams show it: the JSON of its `odds` and of its `market` event."""

    market_id: UUID
    odds: bytes
    status: bytes


@dataclass(slots=True)
class UserState:
    """A user as of `position`, and what came after the position that was asked for.

    `bets`: the JSON of each bet that ledger entries are about, with the number of the last of them, in their order.
    `notifications`: their numbers and JSON; with that of the bet, for a bet that was lost, which has no ledger entry.
    """

    position: Position
    sessions_ended: int
    balance: bytes
    ended_sessions: Sequence[UUID] = ()
    bets: list[tuple[int, bytes]] = field(default_factory=list)
    notifications: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)


def find_market_ids(references: Iterable[str]) -> list[UUID]:
    """Return the ids of the markets named by our UUID or Polymarket's condition id; unknown ones are left out."""
    given = {reference: parse_uuid(reference) for reference in references}
    by_condition = [reference for reference, market_id in given.items() if market_id is None]
    found = {market_id for market_id in given.values() if market_id}
    if by_condition:
        found |= set(Market.objects.filter(polymarket_id__in=by_condition).values_list("pk", flat=True))
    return sorted(found)


def read_markets(market_ids: Iterable[UUID]) -> list[MarketState]:
    """Return what is known of the markets; unknown ones are left out."""
    wanted = list(market_ids)
    if not wanted:
        return []
    statuses = {row["marketId"]: row for row in read_current(MarketStatusSerializer, wanted)}
    return [
        MarketState(row["marketId"], dumps(row), dumps(statuses[row["marketId"]]))
        for row in read_current(MarketOddsSerializer, wanted)
        if row["marketId"] in statuses
    ]


def read_position(user_id: UUID) -> Position | None:
    """Return the user's current position; None for one who is suspended or gone."""
    row = fetch_one("SELECT journal_length, notification_sequence FROM users WHERE id = %s AND is_active", [user_id])
    return Position(*row) if row else None


USERS = f"""
SELECT id, journal_length, notification_sequence, sessions_ended, ended_sessions, {BalanceSerializer.columns}
FROM users WHERE id = ANY(%(user_ids)s::uuid[]) AND is_active
"""  # noqa: S608 - a constant
READERS = """
FROM unnest(%(user_ids)s::uuid[], %(after)s::bigint[], %(until)s::bigint[]) AS reader (user_id, after, until)
"""
# Each bet once, as it is now, however often it changed.
BETS = f"""
SELECT reader.user_id, entry.sequence, {BetSerializer.columns} {READERS}
CROSS JOIN LATERAL (
    SELECT reference_id, max(sequence) AS sequence FROM credit_transactions
    WHERE user_id = reader.user_id AND sequence > reader.after AND sequence <= reader.until
    GROUP BY reference_id
) AS entry
JOIN bets AS bet ON bet.id = entry.reference_id AND bet.user_id = reader.user_id
JOIN markets AS market ON market.id = bet.market_id
ORDER BY entry.sequence
"""  # noqa: S608 - constants
LOST_BETS = f"""
SELECT bet.id, {BetSerializer.columns} FROM bets AS bet JOIN markets AS market ON market.id = bet.market_id
WHERE bet.id = ANY(%(bet_ids)s::uuid[])
"""  # noqa: S608 - a constant


def read_users(after: Mapping[UUID, Position]) -> dict[UUID, UserState]:
    """Return by user what is new after a position; in at most four statements, however many users.

    Users who are suspended or gone are left out. Of who missed more than RESUME_MAX only the current state is told.
    """
    if not after:
        return {}
    users = {
        user_id: UserState(Position(ledger, noted), count, dumps(BalanceSerializer.from_row(balance)), ended)
        for user_id, ledger, noted, count, ended, *balance in fetch_all(USERS, {"user_ids": list(after)})
    }
    for user_id, sequence, *row in read_since(
        BETS, {u: (after[u].ledger, s.position.ledger) for u, s in users.items()}
    ):
        users[user_id].bets.append((sequence, dumps(BetSerializer.from_row(row))))
    ranges = {u: (after[u].notifications, s.position.notifications) for u, s in users.items()}
    for user_id, found in read_notifications(ranges).items():
        users[user_id].notifications = found
    return users


def read_since(statement: str, ranges: Mapping[UUID, tuple[int, int]]) -> list[Row]:
    """Return the rows of a statement that begins with READERS, for who has something new that can be resumed."""
    wanted = missed(ranges)
    if not wanted:
        return []
    users, bounds = list(wanted), list(wanted.values())
    parameters: dict[str, Any] = {
        "user_ids": users,
        "after": [low for low, _ in bounds],
        "until": [high for _, high in bounds],
    }
    return fetch_all(statement, parameters)


def missed(ranges: Mapping[UUID, tuple[int, int]]) -> dict[UUID, tuple[int, int]]:
    return {user: (after, until) for user, (after, until) in ranges.items() if 0 < until - after <= rules.RESUME_MAX}


# As `notifications.selectors` reads a page of them. Who is told of one has it unread, unless it is told again.
NOTIFICATIONS = f"""
SELECT reader.user_id, CASE type WHEN '{NotificationType.BET_LOST}' THEN reference_id END,
    notifications.id, type, data::text, '', '', sequence, created_at, read_at
{READERS}
JOIN notifications ON notifications.user_id = reader.user_id
    AND sequence > reader.after AND sequence <= reader.until
ORDER BY sequence
"""


def read_notifications(ranges: Mapping[UUID, tuple[int, int]]) -> dict[UUID, list[tuple[int, bytes, bytes | None]]]:
    """Return by user the notifications whose numbers are after the first and up to the second of each range."""
    rows = read_since(NOTIFICATIONS, ranges)
    bets = read_lost_bets([lost_bet for _, lost_bet, *_ in rows if lost_bet])
    found: dict[UUID, list[tuple[int, bytes, bytes | None]]] = defaultdict(list)
    for user_id, lost_bet, *shown in rows:
        row = NotificationRow(*shown)
        found[user_id].append((shown[5], dumps(as_json(row)), bets.get(lost_bet)))
    return found


def read_lost_bets(bet_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    rows = fetch_all(LOST_BETS, {"bet_ids": bet_ids}) if bet_ids else []
    return {bet_id: dumps(BetSerializer.from_row(row)) for bet_id, *row in rows}
