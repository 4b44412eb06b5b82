"""Tickets: with one a stream is opened for a user, so that no access token stands in a URL."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from accounts.models import User
from core.db.sql import execute, fetch_one
from stream import rules
from stream.errors import InvalidTicket

RANDOM_BYTES = 32
# Expired ones that nobody used go a few at a time: there is no job for them.
ISSUE = """
WITH expired AS (
    DELETE FROM stream_tickets WHERE hash IN (
        SELECT hash FROM stream_tickets WHERE expires_at <= %(now)s
        ORDER BY expires_at LIMIT %(purged)s FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO stream_tickets (hash, user_id, session_id, sessions_ended, expires_at)
VALUES (%(hash)s, %(user_id)s, %(session_id)s, %(sessions_ended)s, %(expires_at)s)
"""
USE = """
WITH used AS (
    DELETE FROM stream_tickets WHERE hash = %(hash)s RETURNING user_id, session_id, sessions_ended, expires_at
)
SELECT users.id, used.sessions_ended, used.session_id FROM used JOIN users ON users.id = used.user_id
WHERE used.expires_at > %(now)s AND users.is_active AND users.sessions_ended = used.sessions_ended
AND (used.session_id = ANY(users.ended_sessions)) IS NOT TRUE
"""


@dataclass(frozen=True, slots=True)
class TicketHolder:
    """Whose ticket it was, and in which session it was issued; None for an access token that names none."""

    user_id: UUID
    sessions_ended: int
    session_id: UUID | None = None

    def has_ended(self, *, sessions_ended: int, ended_sessions: Collection[UUID]) -> bool:
        """Return whether the session was ended, alone or with all others, given what the user's row says now."""
        return self.sessions_ended != sessions_ended or self.session_id in ended_sessions


def issue_ticket(*, user: User, session_id: UUID | None, now: datetime) -> str:
    """Return a ticket of the user's, good for TICKET_SECONDS and for one stream, while the session goes on."""
    ticket = secrets.token_urlsafe(RANDOM_BYTES)
    parameters = {
        "hash": digest(ticket),
        "user_id": user.pk,
        "session_id": session_id,
        "sessions_ended": user.sessions_ended,
        "expires_at": now + timedelta(seconds=rules.TICKET_SECONDS),
        "now": now,
        "purged": rules.TICKETS_PURGED,
    }
    execute(ISSUE, parameters)
    return ticket


def use_ticket(*, ticket: str, now: datetime) -> TicketHolder:
    """Use the ticket up; return whose it was.

    Raises InvalidTicket for one that is none, was used or has expired, and where the user is suspended or has ended the
    sessions since.
    """
    row = fetch_one(USE, {"hash": digest(ticket), "now": now})
    if row is None:
        raise InvalidTicket
    return TicketHolder(*row)


def digest(ticket: str) -> bytes:
    return sha256(ticket.encode()).digest()
