"""More people than services make in a test's time, whose figures are whatever a test says: set-based, by hand."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

CROWD = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code, created_at)
SELECT gen_random_uuid(), name || '@example.com', name, name, '', false, '', '', '', true, false,
    lpad(to_hex(known + n), 8, '0'), timestamptz '2026-01-01Z' + interval '1 hour' * (n %% 10)
FROM (SELECT count(*) AS known FROM users) AS before, generate_series(1, %s) AS n,
LATERAL (SELECT 'crowd_' || known + n AS name) AS named
RETURNING id
"""
MOVE = """
UPDATE users SET overall_pnl = moved.pnl, total_volume = moved.volume
FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[]) AS moved (id, pnl, volume) WHERE users.id = moved.id
"""


def crowd(people: int) -> list[UUID]:
    """As many who did nothing; many of their accounts are of the same moment. Their ids, in no order."""
    with connection.cursor() as cursor:
        cursor.execute(CROWD, [people])
        return [user_id for (user_id,) in cursor.fetchall()]


def move(figures: Sequence[tuple[UUID, int, int]]) -> None:
    """Sets people's profit and volume, as bets would over time."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [list(column) for column in zip(*figures, strict=True)])
