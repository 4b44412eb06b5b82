"""Reads of a user's notifications: a page in one statement, with announcements merged in, and how many are unread.

Notifications are ordered by their numbers, announcements by their ids. A page merges the two by time; its cursor says
how far it came in each, so that what is added meanwhile moves nothing.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from accounts.models import User
from core.api.requests import decode_cursor, encode_cursor, invalid_cursor, parse_uuid
from core.db.sql import fetch_all, fetch_value
from notifications.announcements import VISIBLE
from notifications.messages import ANNOUNCEMENT, Message, render
from notifications.models import ExactDecoder, NotificationType
from notifications.rules import LIST_LIMIT
from notifications.serializers import NotificationSerializer

SEQUENCE_MAX = 2**63 - 1
LAST_ID = UUID(int=2**128 - 1)
PREFERENCE_FIELDS = ["muted_notifications", "emailed_notifications"]

UNREAD_ANNOUNCEMENTS = f"""
SELECT count(*) FROM announcements WHERE {VISIBLE} AND NOT EXISTS (
    SELECT FROM announcement_reads AS reads WHERE reads.announcement_id = announcements.id AND reads.user_id = users.id
)
"""  # noqa: S608 - constants of this module
COUNT_UNREAD = f"""
SELECT unread_notifications + ({UNREAD_ANNOUNCEMENTS}) FROM users WHERE users.id = %(user_id)s
"""  # noqa: S608 - constants of this module
# A notification was read by itself, or with all up to a number that isn't below its own: by the first such mark.
OWN = """
SELECT notifications.id, type, data::text, '' AS title, '' AS body, sequence, created_at,
    coalesce(read_at, CASE WHEN sequence <= notifications_read_through THEN (
        SELECT marks.read_at FROM notification_read_marks AS marks
        WHERE marks.user_id = users.id AND through >= sequence ORDER BY through LIMIT 1
    ) END) AS read_at
FROM notifications
WHERE user_id = users.id AND sequence < %(before_sequence)s AND (NOT %(unread)s OR (
    unread_notifications > 0 AND sequence > notifications_read_through AND read_at IS NULL
))
ORDER BY sequence DESC LIMIT %(limit)s + 1
"""
ANNOUNCED = f"""
SELECT announcements.id, '{ANNOUNCEMENT}', '{{}}', title, body, NULL, announcements.created_at, reads.read_at
FROM announcements LEFT JOIN announcement_reads AS reads
    ON reads.announcement_id = announcements.id AND reads.user_id = users.id
WHERE {VISIBLE} AND announcements.id < %(before_id)s AND (NOT %(unread)s OR reads.read_at IS NULL)
ORDER BY announcements.id DESC LIMIT %(limit)s + 1
"""  # noqa: S608 - constants of this module
PAGE = f"""
SELECT unread_notifications + ({UNREAD_ANNOUNCEMENTS}), shown.* FROM users
LEFT JOIN LATERAL (({OWN}) UNION ALL ({ANNOUNCED})) AS shown ON true
WHERE users.id = %(user_id)s
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of a user's notifications: all of them, or those that are unread."""

    unread: bool = False
    limit: int = LIST_LIMIT
    from_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`unread_count`: of all the user's, on this page or not. `next_cursor`: where to go on, None at the end."""

    notifications: list[dict[str, Any]]
    unread_count: int
    next_cursor: str | None


class Place(NamedTuple):
    """How far a page came: what is left are notifications below the number, and announcements below the id."""

    sequence: int = SEQUENCE_MAX
    announcement_id: UUID = LAST_ID


class Row(NamedTuple):
    """A notification, or an announcement: then `sequence` is None, and `data` empty."""

    id: UUID
    type: str
    data: str
    title: str
    body: str
    sequence: int | None
    created_at: datetime
    read_at: datetime | None


def list_notifications(user_id: UUID, query: Query) -> Page:
    """Return a page, newest first. Raises ValidationError for a cursor that isn't one."""
    place = place_of(query.from_cursor)
    facts = {"user_id": user_id, "unread": query.unread, "limit": query.limit}
    rows = fetch_all(PAGE, {**facts, "before_sequence": place.sequence, "before_id": place.announcement_id})
    found = merge([Row(*row[1:]) for row in rows if row[1] is not None])
    shown = found[: query.limit]
    more = len(found) > len(shown)
    return Page([as_json(row) for row in shown], rows[0][0], cursor_behind(place, shown) if more else None)


def merge(rows: list[Row]) -> list[Row]:
    """Return notifications and announcements by time, newest first, each of the two in its own order."""
    own = [row for row in rows if row.sequence is not None]
    announced = [row for row in rows if row.sequence is None]
    merged: list[Row] = []
    while own and announced:
        merged.append((own if own[0].created_at >= announced[0].created_at else announced).pop(0))
    return merged + own + announced


def cursor_behind(place: Place, shown: list[Row]) -> str:
    """Return the cursor of what follows, after a page that began at the place."""
    for row in shown:
        place = (
            place._replace(announcement_id=row.id) if row.sequence is None else place._replace(sequence=row.sequence)
        )
    return encode_cursor(place.sequence, str(place.announcement_id))


def place_of(cursor: str | None) -> Place:
    """Return the place of a cursor; everything comes before the greatest."""
    if cursor is None:
        return Place()
    parts = decode_cursor(cursor)
    announcement_id = parse_uuid(parts[1]) if len(parts) == len(Place()) and isinstance(parts[1], str) else None
    # JSON's `true` is an int to Python.
    if announcement_id is None or type(parts[0]) is not int or not 1 <= parts[0] <= SEQUENCE_MAX:
        raise invalid_cursor()
    return Place(parts[0], announcement_id)


def as_json(row: Row) -> dict[str, Any]:
    data = json.loads(row.data, cls=ExactDecoder)
    message = Message(row.title, row.body) if row.type == ANNOUNCEMENT else render(row.type, data)
    return NotificationSerializer.from_object(row, title=message.title, body=message.body, data=data)


def count_unread(user_id: UUID) -> int:
    """Return how many notifications and announcements the user hasn't read."""
    unread: int = fetch_value(COUNT_UNREAD, {"user_id": user_id})
    return unread


class Preference(TypedDict, total=False):
    """What a user wants of a type: notifications in the app, and e-mails."""

    inApp: bool
    email: bool


Preferences = dict[str, Preference]


def get_preferences(user_id: UUID) -> Preferences:
    return preferences_of(User.objects.only(*PREFERENCE_FIELDS).get(pk=user_id))


def preferences_of(user: User) -> Preferences:
    """Return what the user wants of each type; of a type that nothing was said of, notifications and no e-mails."""
    return {
        kind: {"inApp": kind not in user.muted_notifications, "email": kind in user.emailed_notifications}
        for kind in NotificationType.values
    }
