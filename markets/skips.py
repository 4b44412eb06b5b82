"""Markets that users skipped: not drawn for them again for a day (`selectors.random_markets`)."""

from datetime import datetime
from uuid import UUID

from core.db.sql import execute
from markets.rules import SKIPPED_FOR

SKIP = """
INSERT INTO market_skips (user_id, market_id, ends_at) VALUES (%(user_id)s, %(market_id)s, %(until)s)
ON CONFLICT (user_id, market_id) DO UPDATE SET ends_at = excluded.ends_at
"""
PURGE_BATCH = 5_000
PURGE = """
DELETE FROM market_skips WHERE (user_id, market_id) IN (
    SELECT user_id, market_id FROM market_skips WHERE ends_at <= %(now)s LIMIT %(batch)s FOR UPDATE SKIP LOCKED
)
"""


def skip_market(*, market_id: UUID, user_id: UUID, now: datetime) -> datetime:
    """Leave the market out of the user's samples; return until when. Skipped again, it is from the last time on."""
    until = now + SKIPPED_FOR
    execute(SKIP, {"user_id": user_id, "market_id": market_id, "until": until})
    return until


def purge_skips(*, now: datetime) -> int:
    """Delete the skips that are over, in batches; return how many."""
    total = 0
    while True:
        deleted = execute(PURGE, {"now": now, "batch": PURGE_BATCH})
        total += deleted
        if deleted < PURGE_BATCH:
            return total
