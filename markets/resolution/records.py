"""What was concluded about markets, as rows that stay; building blocks of those who conclude."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from core.api.json import dumps
from core.db.transactions import require_transaction
from markets.models import Market, MarketResolution
from markets.rules import UNCONFIRMED_PATIENCE, WAITING_PATIENCE
from markets.signals import market_ended

Source = MarketResolution.Source


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A row to be. `facts`: what it rests on, as JSON."""

    market_id: UUID
    decision: str
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What was concluded of a market before: last of all, and the results that staff undid."""

    decision: str | None = None
    reason: str = ""
    undone: frozenset[str] = frozenset()


KNOWN = """
SELECT asked.id, latest.decision, latest.reason, undone.results
FROM unnest(%(market_ids)s::uuid[]) AS asked (id)
JOIN LATERAL (
    SELECT decision, reason FROM market_resolutions WHERE market_id = asked.id ORDER BY id DESC LIMIT 1
) AS latest ON true
CROSS JOIN LATERAL (
    SELECT array_agg(facts ->> 'undone') AS results FROM market_resolutions
    WHERE market_id = asked.id AND decision = 'reopened'
) AS undone
"""

ADD = """
INSERT INTO market_resolutions (market_id, decision, source, staff_id, reason, facts, seen_at)
SELECT market_id, decision, %(source)s, %(staff_id)s, reason, facts, %(now)s
FROM jsonb_to_recordset(%(rows)s::jsonb) AS added (market_id uuid, decision text, reason text, facts jsonb)
ORDER BY market_id
"""

# By the last conclusion of each that isn't over. Open ones are here only when nothing could be concluded of them.
NEEDING_STAFF = """
SELECT market.id FROM (
    SELECT id, market_type, status FROM markets WHERE status = 'closed'
    UNION ALL
    SELECT id, market_type, status FROM markets
    WHERE status = 'open' AND id IN (SELECT market_id FROM market_resolutions WHERE decision = 'unknown')
) AS market
LEFT JOIN LATERAL (
    SELECT decision, seen_at FROM market_resolutions WHERE market_id = market.id ORDER BY id DESC LIMIT 1
) AS latest ON true
WHERE latest.decision = 'unknown' OR (market.status = 'closed' AND (
    market.market_type = 'credits'
    OR latest.decision IN ('open', 'disagreement', 'held', 'reopened')
    OR (latest.decision = 'waiting' AND latest.seen_at < %(waiting_since)s)
    OR (latest.decision = 'unconfirmed' AND latest.seen_at < %(unconfirmed_since)s)
))
ORDER BY latest.seen_at, market.id
"""


def known(market_ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Of those markets that anything was concluded about; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"market_ids": list(market_ids)})
        return {
            market_id: Known(decision, reason, frozenset(filter(None, undone or ())))
            for market_id, decision, reason, undone in cursor.fetchall()
        }


def add(conclusions: Sequence[Conclusion], *, source: Source, now: datetime, staff: User | None = None) -> None:
    """One statement, whatever their number; in the transaction that acts on them."""
    require_transaction("add")
    rows = [
        {"market_id": str(row.market_id), "decision": row.decision, "reason": row.reason, "facts": row.facts}
        for row in conclusions
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        parameters = {
            "rows": dumps(rows).decode(),
            "source": source,
            "staff_id": staff.pk if staff else None,
            "now": now,
        }
        cursor.execute(ADD, parameters)


def tell_of_end(market_id: UUID) -> None:
    """On commit. A receiver that fails is logged, and holds up no other: it finds the market by its row, too."""
    transaction.on_commit(lambda: market_ended.send_robust(sender=Market, market_id=market_id))


def needing_staff(*, now: datetime) -> list[UUID]:
    """Markets that nothing but a person will end, or that wait for longer than is usual; longest first."""
    since = {"waiting_since": now - WAITING_PATIENCE, "unconfirmed_since": now - UNCONFIRMED_PATIENCE}
    with connection.cursor() as cursor:
        cursor.execute(NEEDING_STAFF, since)
        return [market_id for (market_id,) in cursor.fetchall()]
