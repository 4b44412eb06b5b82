"""Acting on what Polymarket said: one short transaction a batch, in a handful of statements, however many markets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from core.api.json import dumps
from core.db.transactions import require_transaction
from markets.models import Market, MarketResolution
from markets.polymarket import values
from markets.polymarket.parsing import ParsedMarket, Skipped
from markets.resolution import records as evidence
from markets.resolution.policy import Decision, Tokens, Verdict
from markets.resolution.records import Conclusion, Known

Json = dict[str, Any]


class Candidate(NamedTuple):
    id: UUID
    polymarket_id: str
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Finding:
    """What both sources said of a market, and what follows from it."""

    candidate: Candidate
    market: ParsedMarket | Skipped | None
    decision: Decision
    clob: dict[str, values.JSON] | None = None

    def facts(self) -> dict[str, Any]:
        gamma = self.market.raw_facts if isinstance(self.market, ParsedMarket) else None
        return {"gamma": gamma, "clob": self.clob}


# In one order, so that two that lock several markets never wait for each other in a circle.
LOCK = """
SELECT id, status, this_token_id, that_token_id FROM markets
WHERE id = ANY(%(ids)s::uuid[]) AND status IN ('open', 'closed') ORDER BY id FOR UPDATE
"""
CHECKED = """
UPDATE markets SET upstream_checked_at = %(now)s
FROM (
    SELECT id FROM markets WHERE id = ANY(%(ids)s::uuid[]) AND status IN ('open', 'closed')
    ORDER BY id FOR NO KEY UPDATE
) AS due
WHERE markets.id = due.id
"""
FACTS = ("status", "resolution", "accepting_orders", "upstream_facts", "this_odds", "that_odds")
APPLY = f"""
UPDATE markets AS market SET
    status = fresh.status, resolution = fresh.resolution,
    resolved_at = CASE WHEN fresh.status = 'resolved' THEN %(now)s::timestamptz END,
    accepting_orders = fresh.accepting_orders, upstream_facts = fresh.upstream_facts,
    upstream_seen_at = CASE WHEN market.upstream_facts IS DISTINCT FROM fresh.upstream_facts THEN %(now)s
        ELSE market.upstream_seen_at END,
    this_odds = fresh.this_odds, that_odds = fresh.that_odds,
    odds_updated_at = CASE WHEN market.this_odds IS DISTINCT FROM fresh.this_odds
        OR market.that_odds IS DISTINCT FROM fresh.that_odds THEN %(now)s ELSE market.odds_updated_at END,
    odds_live = market.odds_live AND fresh.status = 'open',
    updated_at = %(now)s
FROM (
    SELECT said.id, said.status, said.resolution, said.accepting_orders, said.upstream_facts,
        coalesce(said.this_odds, stored.this_odds) AS this_odds, coalesce(said.that_odds, stored.that_odds) AS that_odds
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS said (
        id uuid, status text, resolution text, accepting_orders boolean, upstream_facts jsonb,
        this_odds numeric, that_odds numeric
    ) JOIN markets AS stored ON stored.id = said.id
) AS fresh
WHERE market.id = fresh.id
AND ({", ".join(f"market.{name}" for name in FACTS)}) IS DISTINCT FROM ({", ".join(f"fresh.{name}" for name in FACTS)})
"""  # noqa: S608 - made of the constants above


def apply(findings: Sequence[Finding], *, now: datetime) -> Counter[str]:
    """Locks the markets, looks at them again, and writes what follows. Returns what is to be counted."""
    require_transaction("apply")
    statuses = lock(findings)
    looked_at = [finding for finding in findings if finding.candidate.id in statuses]
    # Read after the lock: staff may have concluded something while it was waited for.
    known = evidence.known(list(statuses))
    judged = [(finding, ruled(finding.decision, known.get(finding.candidate.id))) for finding in looked_at]
    rows = [row_of(finding, decision, statuses[finding.candidate.id]) for finding, decision in judged]
    note_checked([finding.candidate for finding in findings], now=now)
    write([row for row in rows if row], now=now)
    evidence.add(
        [
            Conclusion(finding.candidate.id, decision.verdict, decision.reason, finding.facts())
            for finding, decision in judged
            if is_news(decision, known.get(finding.candidate.id), statuses[finding.candidate.id])
        ],
        source=MarketResolution.Source.POLYMARKET,
        now=now,
    )
    for finding, decision in judged:
        if decision.is_result:
            evidence.tell_of_end(finding.candidate.id)
    closed = sum(1 for row in rows if row and row["status"] == "closed" and statuses[UUID(row["id"])] == "open")
    counts = Counter("resolved" if decision.is_result else str(decision.verdict) for _, decision in judged)
    return counts + Counter(asked=len(findings), closed=closed)


def lock(findings: Sequence[Finding]) -> dict[UUID, str]:
    """The status of those that aren't over, and whose options are still those that were looked at."""
    asked = {finding.candidate.id: finding.candidate.tokens for finding in findings}
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"ids": list(asked)})
        return {market_id: status for market_id, status, *tokens in cursor.fetchall() if asked[market_id] == (*tokens,)}


def ruled(decision: Decision, known: Known | None) -> Decision:
    """A result that staff undid isn't taken again: they had their reason."""
    if known and decision.is_result and decision.verdict in known.undone:
        return Decision(Verdict.HELD, f"{decision.reason} Staff undid this result before: theirs to decide.")
    return decision


def is_news(decision: Decision, known: Known | None, status: str) -> bool:
    if known is None:
        return decision.verdict != Verdict.OPEN or status != Market.Status.OPEN
    return (decision.verdict, decision.reason) != (known.decision, known.reason)


def row_of(finding: Finding, decision: Decision, status: str) -> Json | None:
    """The market's row as it is to be; None where what was said can't be about it."""
    market = finding.market
    if not isinstance(market, ParsedMarket) or (market.this_token_id, market.that_token_id) != finding.candidate.tokens:
        return None
    odds = market.odds if market.closed else None
    open_or_closed = Market.Status.CLOSED if market.closed else status
    return {
        "id": str(finding.candidate.id),
        "status": Market.Status.RESOLVED if decision.is_result else open_or_closed,
        "resolution": decision.verdict if decision.is_result else None,
        "accepting_orders": market.accepting_orders,
        "upstream_facts": market.raw_facts,
        "this_odds": odds and odds.this,
        "that_odds": odds and odds.that,
    }


def write(rows: Sequence[Json], *, now: datetime) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(APPLY, {"rows": dumps(rows).decode(), "now": now})


def note_checked(candidates: Sequence[Candidate], *, now: datetime) -> None:
    """Puts those that aren't over at the end of the queue."""
    with connection.cursor() as cursor:
        cursor.execute(CHECKED, {"ids": [candidate.id for candidate in candidates], "now": now})
