"""Resolution records: why markets got their results, as rows that stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

from accounts.models import User
from core.api.json import dumps
from core.db.sql import execute, fetch_all
from core.db.transactions import require_transaction
from markets import rules
from markets.models import Market, MarketResolution

Source = MarketResolution.Source

# Sent on commit with `market_id`: a market is resolved or cancelled. Best effort: whoever acts on markets that ended
# finds them by their rows too, so a lost signal costs seconds.
market_ended = Signal()


@dataclass(frozen=True, slots=True)
class Record:
    """A resolution record to be added. `facts`: the upstream payload it rests on, as JSON."""

    market_id: UUID
    decision: str
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreviousRecord:
    """The newest record of a market, the results that staff undid, and whether it is staff who have it closed."""

    decision: str | None = None
    reason: str = ""
    undone: frozenset[str] = frozenset()
    closed_by_staff: bool = False


PREVIOUS = """
SELECT given.id, latest.decision, latest.reason, undone.results, coalesce((
    SELECT decision FROM market_resolutions WHERE market_id = given.id AND source = 'staff' ORDER BY id DESC LIMIT 1
), '') IN ('closed', 'reopened')
FROM unnest(%(market_ids)s::uuid[]) AS given (id)
JOIN LATERAL (
    SELECT decision, reason FROM market_resolutions WHERE market_id = given.id ORDER BY id DESC LIMIT 1
) AS latest ON true
CROSS JOIN LATERAL (
    SELECT array_agg(facts ->> 'undone') AS results FROM market_resolutions
    WHERE market_id = given.id AND decision = 'reopened'
) AS undone
"""

ADD = """
INSERT INTO market_resolutions (market_id, decision, source, staff_id, reason, facts, seen_at)
SELECT market_id, decision, %(source)s, %(staff_id)s, reason, facts, %(now)s
FROM jsonb_to_recordset(%(rows)s::jsonb) AS added (market_id uuid, decision text, reason text, facts jsonb)
ORDER BY market_id
"""

# By the newest record of each. Open ones are here only when their outcome is unknown, or when they are suspended and
# have bets; resolved ones for as long as Polymarket tells another result, and at most for so long after it was seen.
NEEDING_STAFF = """
SELECT market.id FROM (
    SELECT id, market_type, status, '' AS suspended_reason FROM markets WHERE status = 'closed'
    UNION ALL
    SELECT id, market_type, status, suspended_reason FROM markets
    WHERE status = 'open' AND id IN (SELECT market_id FROM market_resolutions WHERE decision = 'unknown')
    UNION
    SELECT id, market_type, status, suspended_reason FROM markets
    WHERE status = 'open' AND suspended_reason <> ''
    AND EXISTS (SELECT FROM market_terms WHERE market_id = markets.id)
    UNION ALL
    SELECT id, market_type, status, '' FROM markets WHERE status = 'resolved' AND id IN (
        SELECT market_id FROM market_resolutions WHERE decision = 'changed' AND seen_at > %(changed_since)s
    )
) AS market
LEFT JOIN LATERAL (
    SELECT decision, seen_at FROM market_resolutions WHERE market_id = market.id ORDER BY id DESC LIMIT 1
) AS latest ON true
WHERE latest.decision = 'unknown' OR market.suspended_reason <> ''
OR (market.status = 'resolved' AND latest.decision = 'changed')
OR (market.status = 'closed' AND (
    market.market_type = 'credits'
    OR latest.decision IN ('open', 'disagreement', 'held', 'reopened')
    OR (latest.decision = 'waiting' AND latest.seen_at < %(waiting_since)s)
    OR (latest.decision = 'unconfirmed' AND latest.seen_at < %(unconfirmed_since)s)
))
ORDER BY latest.seen_at, market.id
"""


def previous_records(market_ids: Sequence[UUID]) -> dict[UUID, PreviousRecord]:
    """Return by market what was recorded last, for those that have records; one statement."""
    return {
        market_id: PreviousRecord(decision, reason, frozenset(filter(None, undone or ())), closed_by_staff)
        for market_id, decision, reason, undone, closed_by_staff in fetch_all(
            PREVIOUS, {"market_ids": list(market_ids)}
        )
    }


def add_records(records: Sequence[Record], *, source: Source, now: datetime, staff: User | None = None) -> None:
    """Add records by one statement, in the transaction that acts on them."""
    require_transaction("add_records")
    rows = [
        {"market_id": str(row.market_id), "decision": row.decision, "reason": row.reason, "facts": row.facts}
        for row in records
    ]
    if rows:
        staff_id = staff.pk if staff else None
        execute(ADD, {"rows": dumps(rows).decode(), "source": source, "staff_id": staff_id, "now": now})


def send_market_ended(market_id: UUID) -> None:
    """Send `market_ended` on commit. A receiver that fails is logged, and finds the market by its row, too."""
    transaction.on_commit(lambda: market_ended.send_robust(sender=Market, market_id=market_id))


def needing_staff(*, now: datetime) -> list[UUID]:
    """Return markets that only staff can end, that wait for longer than is usual, or that changed; longest first."""
    since = {
        "waiting_since": now - rules.WAITING_MAX,
        "unconfirmed_since": now - rules.UNCONFIRMED_MAX,
        "changed_since": now - rules.CHANGED_SHOWN_FOR,
    }
    return [market_id for (market_id,) in fetch_all(NEEDING_STAFF, since)]
