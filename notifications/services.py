"""Notifications: written in the transaction of their cause, marked as read, and purged.

Whoever writes, reads or purges a user's notifications holds the user's row, where they are counted: the count of unread
ones is that of the rows, and a number is committed before any that is higher. A cause that is told again, by a retry
or a replay, meets the constraint `notifications_once` and writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.changes import publish_users
from accounts.models import User
from core.api.json import dumps
from core.db.sql import execute, fetch_all, fetch_value
from core.db.transactions import require_transaction, run_transaction
from notifications import rules
from notifications.announcements import read_announcements
from notifications.models import Announcement, AnnouncementRead, Notification, NotificationReadMark, NotificationType
from notifications.selectors import PREFERENCE_FIELDS, Preference, Preferences, count_unread, preferences_of

PURGE_BATCH = 5_000

# What a statement that writes notifications reads of the users whom it locks. Of erased users the types that they want
# none of are null: nothing is compared with null, so they get none at all.
USER_COLUMNS = "notification_sequence, CASE WHEN erased_at IS NULL THEN muted_notifications END AS muted_notifications"
# Writes what `source` gives, a SELECT of `id`, `user_id`, `turn` (1, 2 … of one user), `type`, `reference_id`,
# `occurrence` and `data`. The users are `locked`, with their USER_COLUMNS. `told` is what their rows then have to be
# changed by: of what is `counted`.
WRITE_NOTIFICATIONS = """
due AS MATERIALIZED (
    SELECT cause.*, notification_sequence + turn AS sequence FROM ({source}) AS cause JOIN locked ON locked.id = user_id
    WHERE type <> ALL (muted_notifications)
), notified AS (
    INSERT INTO notifications (id, user_id, sequence, type, reference_id, occurrence, data, created_at)
    SELECT id, user_id, sequence, type, reference_id, occurrence, data, {now} FROM due {repeated}
), told AS (
    SELECT user_id, count(*) AS written, max(sequence) AS newest FROM {counted} GROUP BY user_id
)
"""
COUNT_NOTIFICATIONS = """
notification_sequence = coalesce(told.newest, users.notification_sequence),
unread_notifications = users.unread_notifications + coalesce(told.written, 0)
"""
NUMBERED = """
SELECT *, new_id() AS id, row_number() OVER (PARTITION BY user_id ORDER BY reference_id) AS turn FROM causes
"""
WRITE_CAUSES = WRITE_NOTIFICATIONS.format(
    source=NUMBERED,
    now="%(notified_at)s",
    repeated="ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING RETURNING user_id, sequence",
    counted="notified",
)
NOTIFY = f"""
WITH causes AS MATERIALIZED ({{source}}), locked AS MATERIALIZED (
    SELECT id, {USER_COLUMNS} FROM users WHERE id IN (SELECT user_id FROM causes) ORDER BY id FOR NO KEY UPDATE
), {WRITE_CAUSES}
UPDATE users SET {COUNT_NOTIFICATIONS} FROM told WHERE users.id = told.user_id RETURNING users.id
"""  # noqa: S608 - constants of this module
FROM_ARRAYS = """
SELECT * FROM unnest(
    %(user_id)s::uuid[], %(type)s::text[], %(reference_id)s::uuid[], %(occurrence)s::integer[], %(data)s::jsonb[]
) AS given (user_id, type, reference_id, occurrence, data)
"""
READ_BY_IDS = """
WITH owner AS MATERIALIZED (
    SELECT id, notifications_read_through FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE
), read AS (
    UPDATE notifications SET read_at = %(now)s FROM owner
    WHERE user_id = owner.id AND notifications.id = ANY(%(ids)s::uuid[]) AND read_at IS NULL
    AND sequence > notifications_read_through
    RETURNING sequence
)
UPDATE users SET unread_notifications = unread_notifications - (SELECT count(*) FROM read)
WHERE id = %(user_id)s AND EXISTS (SELECT FROM read)
"""
READ_ALL = """
UPDATE users SET unread_notifications = 0, notifications_read_through = notification_sequence
WHERE id = %(user_id)s AND unread_notifications > 0 RETURNING notification_sequence
"""
# Ids are in the order of time: no index on the time is kept for this alone.
EXPIRED = """
SELECT id, user_id FROM notifications WHERE id < %(first_kept)s AND created_at < %(before)s ORDER BY id LIMIT %(size)s
"""
PURGE = """
WITH locked AS MATERIALIZED (
    SELECT id, notifications_read_through FROM users WHERE id = ANY(%(users)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
), purged AS (
    DELETE FROM notifications USING locked WHERE notifications.id = ANY(%(ids)s::uuid[]) AND user_id = locked.id
    RETURNING user_id, read_at IS NULL AND sequence > notifications_read_through AS was_unread
), counted AS (
    SELECT user_id, count(*) AS unread FROM purged WHERE was_unread GROUP BY user_id
), changed AS (
    UPDATE users SET unread_notifications = unread_notifications - unread FROM counted WHERE users.id = user_id
)
SELECT count(*) FROM purged
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What a user is to be told of. `reference_id` and `occurrence` tell it from all others of its type.

    `data`: JSON values, of which `notifications.messages` makes the title and the body; Decimals become numbers.
    """

    user_id: UUID
    type: NotificationType
    reference_id: UUID
    occurrence: int = 0
    data: Mapping[str, Any]


def notify(causes: Sequence[Cause], *, now: datetime) -> list[UUID]:
    """Write a notification for each cause whose user wants the type; return the users who have a new one.

    Inside the caller's transaction. Locks the users, in the order of their ids.
    """
    if not causes:
        return []
    columns = {
        "user_id": [cause.user_id for cause in causes],
        "type": [str(cause.type) for cause in causes],
        "reference_id": [cause.reference_id for cause in causes],
        "occurrence": [cause.occurrence for cause in causes],
        "data": [dumps(cause.data).decode() for cause in causes],
    }
    return notify_from(FROM_ARRAYS, parameters=columns, now=now)


def notify_from(source: str, *, parameters: Mapping[str, Any], now: datetime) -> list[UUID]:
    """Do the same by a SELECT of `user_id`, `type`, `reference_id`, `occurrence` and `data` (jsonb)."""
    require_transaction("notify")
    told = [user_id for (user_id,) in fetch_all(NOTIFY.format(source=source), {**parameters, "notified_at": now})]
    publish_users(told)
    return told


# Reading


def read_notifications(*, user_id: UUID, ids: Sequence[UUID], now: datetime) -> int:
    """Mark these as read, the announcements among them too; return how many are unread then.

    What isn't the user's, doesn't exist or is read already is left as it is.
    """

    def act() -> int:
        facts = {"user_id": user_id, "ids": list(ids), "now": now}
        execute(READ_BY_IDS, facts)
        read_announcements(user_id=user_id, ids=ids, now=now)
        return count_unread(user_id)

    return run_transaction(act)


def read_all_notifications(*, user_id: UUID, now: datetime) -> int:
    """Mark all as read, in the same few rows however many they are; return how many are unread then."""

    def act() -> int:
        through = fetch_value(READ_ALL, {"user_id": user_id})
        if through is not None:
            NotificationReadMark.objects.create(user_id=user_id, through=through, read_at=now)
        read_announcements(user_id=user_id, ids=None, now=now)
        return count_unread(user_id)

    return run_transaction(act)


# Preferences


def set_preferences(*, user_id: UUID, changes: Mapping[str, Preference]) -> Preferences:
    """Store what the user wants of these types, and return that of all types. What was written before stays."""

    def act() -> Preferences:
        user = User.objects.select_for_update(no_key=True).only(*PREFERENCE_FIELDS).get(pk=user_id)
        wanted = preferences_of(user)
        for kind, chosen in changes.items():
            wanted[kind].update(chosen)
        user.muted_notifications = [kind for kind, chosen in wanted.items() if not chosen["inApp"]]
        user.emailed_notifications = [kind for kind, chosen in wanted.items() if chosen["email"]]
        user.save(update_fields=PREFERENCE_FIELDS)
        return wanted

    return run_transaction(act)


# Purge and erasure


def purge_notifications(*, now: datetime) -> int:
    """Delete what is older than KEPT_FOR, read or not, in batches; return how many notifications that were."""
    before = now - rules.KEPT_FOR
    purged = 0
    while batch := run_transaction(lambda: purge_batch(before)):
        purged += batch
    Announcement.objects.filter(created_at__lt=before).delete()
    # A notification that is left was written after it, or was read by a later mark.
    NotificationReadMark.objects.filter(read_at__lt=before).delete()
    return purged


def purge_batch(before: datetime) -> int:
    rows = fetch_all(EXPIRED, {"first_kept": first_id_of(before), "before": before, "size": PURGE_BATCH})
    if not rows:
        return 0
    ids, users = zip(*rows, strict=True)
    purged: int = fetch_value(PURGE, {"ids": list(ids), "users": list(set(users))})
    # Another purge may have been first with all of them: then there may still be more.
    return purged or len(rows)


def first_id_of(moment: datetime) -> UUID:
    """Return a UUID that is above all UUIDv7 made before the moment, and below all made later: its milliseconds."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def erase_notifications(user: User) -> None:
    """Delete all that is kept of the user's notifications. Inside the caller's transaction, with the user locked."""
    require_transaction("erase_notifications")
    Notification.objects.filter(user=user).delete()
    NotificationReadMark.objects.filter(user_id=user.pk).delete()
    AnnouncementRead.objects.filter(user_id=user.pk).delete()
    user.unread_notifications, user.muted_notifications, user.emailed_notifications = 0, [], []
    user.save(update_fields=["unread_notifications", *PREFERENCE_FIELDS])
