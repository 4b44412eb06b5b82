"""Applying upstream outcomes: one short transaction for a batch, in a handful of statements, however many markets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.api.json import dumps
from core.db.sql import execute, fetch_all
from core.db.transactions import require_transaction
from markets.models import Market, MarketResolution
from markets.polymarket import values
from markets.polymarket.parsing import ParsedMarket, Skipped
from markets.resolution.policy import Outcome, Tokens, UpstreamOutcome
from markets.resolution.records import PreviousRecord, Record, add_records, previous_records, send_market_ended

Json = dict[str, Any]


class Candidate(NamedTuple):
    """A market to check; `tokens` are those of THIS and THAT, as they are bet on."""

    id: UUID
    polymarket_id: str
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class CheckedMarket:
    """What both sources sent about a market, and the outcome that follows from it."""

    candidate: Candidate
    market: ParsedMarket | Skipped | None
    outcome: UpstreamOutcome
    clob: dict[str, values.JSON] | None = None

    def evidence(self) -> dict[str, Any]:
        """Return the upstream payload that the outcome rests on."""
        gamma = self.market.upstream_facts if isinstance(self.market, ParsedMarket) else None
        return {"gamma": gamma, "clob": self.clob}


# In one order, so that no two transactions that lock several markets wait for each other.
LOCK = """
SELECT id, status, this_token_id, that_token_id FROM markets
WHERE id = ANY(%(ids)s::uuid[]) AND status IN ('open', 'closed') ORDER BY id FOR UPDATE
"""
NOTE_CHECKED = """
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
    SELECT given.id, given.status, given.resolution, given.accepting_orders, given.upstream_facts,
        coalesce(given.this_odds, stored.this_odds) AS this_odds,
        coalesce(given.that_odds, stored.that_odds) AS that_odds
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS given (
        id uuid, status text, resolution text, accepting_orders boolean, upstream_facts jsonb,
        this_odds numeric, that_odds numeric
    ) JOIN markets AS stored ON stored.id = given.id
) AS fresh
WHERE market.id = fresh.id
AND ({", ".join(f"market.{name}" for name in FACTS)}) IS DISTINCT FROM ({", ".join(f"fresh.{name}" for name in FACTS)})
"""  # noqa: S608 - made of the constants above


def apply_results(checked: Sequence[CheckedMarket], *, now: datetime) -> Counter[str]:
    """Lock the markets, look at their rows again, and write what follows; return what is to be counted."""
    require_transaction("apply_results")
    statuses = lock_unfinished(checked)
    locked = [market for market in checked if market.candidate.id in statuses]
    # Read after the lock: staff may have decided something while it was waited for.
    previous = previous_records(list(statuses))
    results = [(market, hold_if_undone(market.outcome, previous.get(market.candidate.id))) for market in locked]
    rows = [row_of(market, outcome, statuses[market.candidate.id]) for market, outcome in results]
    note_checked([market.candidate for market in checked], now=now)
    write_rows([row for row in rows if row], now=now)
    add_records(
        [
            Record(market.candidate.id, outcome.outcome, outcome.reason, market.evidence())
            for market, outcome in results
            if is_new(outcome, previous.get(market.candidate.id), statuses[market.candidate.id])
        ],
        source=MarketResolution.Source.POLYMARKET,
        now=now,
    )
    for market, outcome in results:
        if outcome.is_result:
            send_market_ended(market.candidate.id)
    closed = sum(1 for row in rows if row and row["status"] == "closed" and statuses[UUID(row["id"])] == "open")
    counts = Counter("resolved" if outcome.is_result else str(outcome.outcome) for _, outcome in results)
    return counts + Counter(asked=len(checked), closed=closed)


def lock_unfinished(checked: Sequence[CheckedMarket]) -> dict[UUID, str]:
    """Return the status of those that aren't over, and whose options are still those that were checked."""
    tokens_of = {market.candidate.id: market.candidate.tokens for market in checked}
    rows = fetch_all(LOCK, {"ids": list(tokens_of)})
    return {market_id: status for market_id, status, *tokens in rows if tokens_of[market_id] == (*tokens,)}


def hold_if_undone(outcome: UpstreamOutcome, previous: PreviousRecord | None) -> UpstreamOutcome:
    """Return HELD for a result that staff undid before: it isn't taken again, they had their reason."""
    if previous and outcome.is_result and outcome.outcome in previous.undone:
        return UpstreamOutcome(Outcome.HELD, f"{outcome.reason} Staff undid this result before: theirs to decide.")
    return outcome


def is_new(outcome: UpstreamOutcome, previous: PreviousRecord | None, status: str) -> bool:
    """Return whether the outcome is worth a record: it differs from the last one."""
    if previous is None:
        return outcome.outcome != Outcome.OPEN or status != Market.Status.OPEN
    return (outcome.outcome, outcome.reason) != (previous.decision, previous.reason)


def row_of(checked: CheckedMarket, outcome: UpstreamOutcome, status: str) -> Json | None:
    """Return the market's row as it is to be; None where the upstream's object can't be about this market."""
    market = checked.market
    if not isinstance(market, ParsedMarket) or (market.this_token_id, market.that_token_id) != checked.candidate.tokens:
        return None
    odds = market.odds if market.closed else None
    open_or_closed = Market.Status.CLOSED if market.closed else status
    return {
        "id": str(checked.candidate.id),
        "status": Market.Status.RESOLVED if outcome.is_result else open_or_closed,
        "resolution": outcome.outcome if outcome.is_result else None,
        "accepting_orders": market.accepting_orders,
        "upstream_facts": market.upstream_facts,
        "this_odds": odds and odds.this,
        "that_odds": odds and odds.that,
    }


def write_rows(rows: Sequence[Json], *, now: datetime) -> None:
    if rows:
        execute(APPLY, {"rows": dumps(rows).decode(), "now": now})


def note_checked(candidates: Sequence[Candidate], *, now: datetime) -> None:
    """Put those that aren't over at the end of the queue."""
    execute(NOTE_CHECKED, {"ids": [candidate.id for candidate in candidates], "now": now})
