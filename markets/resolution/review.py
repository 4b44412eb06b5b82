"""The review of results: whether Polymarket still tells what was resolved here. Staff are told; nothing is paid again.

A market is looked at again some times in the first days after its end. Only the catalogue is asked: what differs is
for staff to look into, who can reverse a settlement.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from core.db.sql import execute, fetch_all
from core.db.transactions import require_transaction, run_transaction
from markets import rules
from markets.models import MarketResolution
from markets.polymarket.client import FAILURES_IN_A_ROW, PolymarketClient
from markets.resolution.job import Candidate, judge, request_catalogue, to_candidate
from markets.resolution.policy import RESULTS, Outcome, UpstreamOutcome
from markets.resolution.records import Record, add_records, previous_records

LIMIT: Final = 40  # a run; as many as one request to the catalogue takes
# What is another result, or none any more. "Unknown" isn't: an upstream that forgets has said nothing.
CONTRARY: Final = RESULTS | {Outcome.OPEN, Outcome.WAITING}
AS_BEFORE: Final = "Polymarket tells again what was resolved here."

# Those resolved from what Polymarket said: what staff decided may well differ. Bounded by the index's own column.
DUE = """
SELECT market.id, polymarket_id, this_token_id, that_token_id, (
    SELECT ARRAY[this_option, that_option] WHERE EXISTS (SELECT FROM market_terms WHERE market_id = market.id)
), resolution
FROM markets AS market
CROSS JOIN LATERAL (
    SELECT source FROM market_resolutions
    WHERE market_id = market.id AND decision <> 'changed' ORDER BY id DESC LIMIT 1
) AS latest
WHERE status = 'resolved' AND market_type = 'polymarket' AND resolved_at > %(oldest)s
AND upstream_checked_at > %(oldest)s AND upstream_checked_at < %(before)s AND latest.source = 'polymarket'
ORDER BY upstream_checked_at, market.id LIMIT %(limit)s
"""
LOCK = """
SELECT id, resolution FROM markets WHERE id = ANY(%(ids)s::uuid[]) AND status = 'resolved' ORDER BY id FOR UPDATE
"""
NOTE = "UPDATE markets SET upstream_checked_at = %(now)s WHERE id = ANY(%(ids)s::uuid[])"


def review_results(client: PolymarketClient, *, now: datetime) -> int:
    """Look at some results again; return how many differ from what Polymarket tells now. Raises UpstreamError."""
    due = {"oldest": now - rules.REVIEWED_FOR, "before": now - rules.REVIEWED_EVERY, "limit": LIMIT}
    rows = fetch_all(DUE, due)
    if not rows:
        return 0
    candidates = [to_candidate(row[:-1]) for row in rows]
    found, refused = request_catalogue(client, candidates, failures_in_a_row=FAILURES_IN_A_ROW)
    outcomes = [
        (candidate, judge(found.get(candidate.polymarket_id), candidate))
        for candidate in candidates
        if candidate.polymarket_id not in refused
    ]
    return run_transaction(partial(record_changes, outcomes, now=now))


def record_changes(outcomes: Sequence[tuple[Candidate, UpstreamOutcome]], *, now: datetime) -> int:
    """Record what changed, once for each change; the markets, and what was paid, stay as they are."""
    require_transaction("record_changes")
    results: dict[UUID, str] = dict(fetch_all(LOCK, {"ids": [candidate.id for candidate, _ in outcomes]}))
    previous = previous_records(list(results))
    records, changed = list[Record](), 0
    for candidate, outcome in outcomes:
        before = previous.get(candidate.id)
        if candidate.id not in results or before is None:
            continue
        result = results[candidate.id]
        differs = outcome.outcome in CONTRARY and outcome.outcome != result
        changed += differs
        was_told = before.decision == MarketResolution.Decision.CHANGED
        reason = f"Resolved as {result} here. Polymarket now: {outcome.reason}"
        if differs and (not was_told or before.reason != reason):
            records.append(Record(candidate.id, MarketResolution.Decision.CHANGED, reason))
        elif was_told and outcome.outcome == result:
            records.append(Record(candidate.id, result, AS_BEFORE))
    add_records(records, source=MarketResolution.Source.POLYMARKET, now=now)
    execute(NOTE, {"ids": list(results), "now": now})
    return changed
