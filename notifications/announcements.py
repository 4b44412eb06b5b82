"""Announcements: what staff say to all users, or to a segment of them.

An announcement is one row. Whether a user sees it follows from the user's row at the moment of reading; a row of a
reader is written when the user reads it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.db.sql import execute
from core.db.transactions import require_transaction, run_transaction
from notifications import rules
from notifications.errors import AnnouncementNotFound, AnnouncementWithdrawn
from notifications.models import Announcement, Segment

# By what of the user's row a segment is judged.
SEGMENT_CONDITIONS = {
    Segment.EVERYBODY: "true",
    Segment.NEWCOMERS: f"users.created_at > announcements.created_at - interval '{rules.NEWCOMER_FOR.days} days'",
    Segment.BETTORS: "users.total_volume > 0",
    Segment.NEVER_BET: "users.total_volume = 0",
}
# What a user sees, of `announcements` and the user's row in `users`.
VISIBLE = f"""
announcements.withdrawn_at IS NULL AND announcements.created_at >= users.created_at AND users.erased_at IS NULL
AND CASE segment {" ".join(f"WHEN '{segment}' THEN {condition}" for segment, condition in SEGMENT_CONDITIONS.items())}
    ELSE false END
"""
# Oldest first, so that two at once lock in one order.
READ = f"""
INSERT INTO announcement_reads (user_id, announcement_id, read_at)
SELECT users.id, announcements.id, %(now)s FROM users, announcements
WHERE users.id = %(user_id)s AND {VISIBLE} AND (%(ids)s::uuid[] IS NULL OR announcements.id = ANY(%(ids)s::uuid[]))
AND NOT EXISTS (SELECT FROM announcement_reads WHERE user_id = users.id AND announcement_id = announcements.id)
ORDER BY announcements.id ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants of this module


def announce(*, segment: Segment, title: str, body: str, by: StaffMember, reason: str, now: datetime) -> Announcement:
    """Show a title and a body, as plain text, to the users of the segment; from now on, for KEPT_FOR.

    Raises NotAllowed, ReasonMissing, ReasonTooLong.
    """
    by.require(Permission.ANNOUNCE)
    reason = validate_reason(reason)

    def act() -> Announcement:
        made = Announcement.objects.create(segment=segment, title=title, body=body, created_at=now)
        after = {"segment": segment, "title": title, "body": body}
        record_action("announce", by=by, target=made, reason=reason, before={}, after=after, now=now)
        return made

    return run_transaction(act)


def withdraw_announcement(*, announcement_id: UUID, by: StaffMember, reason: str, now: datetime) -> Announcement:
    """Let nobody see the announcement any more.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, AnnouncementNotFound, AnnouncementWithdrawn.
    """
    by.require(Permission.ANNOUNCE)
    reason = validate_reason(reason)

    def act() -> Announcement:
        found = Announcement.objects.select_for_update().filter(pk=announcement_id).first()
        if found is None:
            raise AnnouncementNotFound
        if found.withdrawn_at:
            raise AnnouncementWithdrawn
        found.withdrawn_at = now
        found.save(update_fields=["withdrawn_at"])
        before, after = {"withdrawn_at": None}, {"withdrawn_at": now}
        record_action("withdraw_announcement", by=by, target=found, reason=reason, before=before, after=after, now=now)
        return found

    return run_transaction(act)


def read_announcements(*, user_id: UUID, ids: Sequence[UUID] | None, now: datetime) -> None:
    """Mark those of the announcements that the user sees as read; all of them where `ids` is None."""
    require_transaction("read_announcements")
    execute(READ, {"user_id": user_id, "ids": None if ids is None else list(ids), "now": now})
