"""The resolution run: requests from Polymarket how its markets ended, batch after batch, and applies what it says.

No transaction is open during a request. A batch is applied in one short transaction, so a run that dies has lost one
batch. Each market's row is locked, and looked at again, before anything is written about it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.api.json import dumps
from core.db.sql import execute, fetch_all
from core.db.transactions import require_transaction, run_transaction
from core.jobs.runs import SkippedObjects
from core.resilience import OBJECT_ERRORS, act_by_halves
from markets import house, identity
from markets.changes import publish_markets, publish_odds
from markets.errors import UpstreamError
from markets.identity import Identity
from markets.models import Market, MarketResolution
from markets.polymarket import values
from markets.polymarket.client import FAILURES_IN_A_ROW, PolymarketClient, request_by_id
from markets.polymarket.parsing import ParsedMarket, Skipped, parse_market
from markets.resolution.policy import RESULTS, Outcome, Tokens, UpstreamOutcome, confirm, decide
from markets.resolution.records import (
    PreviousRecord,
    Record,
    add_records,
    needing_staff,
    previous_records,
    send_market_ended,
)
from markets.rules import SILENT_AFTER

logger = logging.getLogger(__name__)
BATCH = 40  # as many as one request to the catalogue takes
CLOB_FACTS = ("active", "archived", "closed", "accepting_orders", "is_50_50_outcome")
TOKEN_FACTS = ("token_id", "outcome", "price", "winner")
COUNTED = ("asked", "closed", "resolved", *(str(outcome) for outcome in Outcome if outcome not in RESULTS), "failed")

Progress = Callable[[int, int], None]
Json = dict[str, Any]


class Candidate(NamedTuple):
    """A market to check; `tokens` are those of THIS and THAT, as they are bet on.

    `options`: their words, null where nobody has bet, so that other words don't matter.
    """

    id: UUID
    polymarket_id: str
    tokens: Tokens
    options: tuple[str, str] | None

    @property
    def identity(self) -> Identity:
        return Identity(self.tokens, self.options)


@dataclass(frozen=True, slots=True)
class CheckedMarket:
    """What both sources sent about a market, as they sent it, and the outcome that follows from it."""

    candidate: Candidate
    market: ParsedMarket | Skipped | None
    outcome: UpstreamOutcome
    clob: dict[str, values.JSON] | None = None

    def evidence(self) -> dict[str, Any]:
        """Return the upstream payload that the outcome rests on."""
        gamma = self.market.upstream_facts if isinstance(self.market, ParsedMarket) else None
        return {"gamma": gamma, "clob": self.clob}


# Closed ones are here until they are resolved. Open ones are past their planned end, or watched (somebody looks at
# them, or bet on them) with an order book that fell silent, or suspended (a few) and closed upstream: ingestion doesn't
# close those, which may be other markets. The other open ones that Polymarket no longer lists are ingestion's to check:
# it closes them, and then they are here. Many are past their end for months: they get half of the places, those first
# that weren't checked since they ended. Each part reads no more of an index than it returns, but for suspended ones.
WANTED = "id, polymarket_id, this_token_id, that_token_id, upstream_checked_at"
ENDED = f"SELECT {WANTED}, expires_at FROM markets WHERE status = 'open' AND market_type = 'polymarket'"  # noqa: S608
CANDIDATES = f"""
SELECT candidate.id, polymarket_id, this_token_id, that_token_id, (
    SELECT ARRAY[this_option, that_option] FROM markets
    WHERE id = candidate.id AND EXISTS (SELECT FROM market_terms WHERE market_id = candidate.id)
) FROM (
    (
        SELECT {WANTED} FROM markets WHERE status = 'closed' AND market_type = 'polymarket'
        ORDER BY upstream_checked_at NULLS FIRST, id LIMIT %(limit)s
    ) UNION (
        SELECT {WANTED} FROM (
            (
                {ENDED} AND (upstream_checked_at IS NULL OR upstream_checked_at < expires_at)
                AND expires_at <= %(now)s ORDER BY expires_at, id LIMIT %(half)s
            ) UNION ALL (
                {ENDED} AND upstream_checked_at >= expires_at
                AND expires_at <= %(now)s ORDER BY upstream_checked_at, id LIMIT %(half)s
            )
        ) AS ended
        ORDER BY upstream_checked_at >= expires_at NULLS FIRST, upstream_checked_at NULLS FIRST, id LIMIT %(half)s
    ) UNION (
        SELECT market.* FROM market_watches AS watch CROSS JOIN LATERAL (
            SELECT {WANTED} FROM markets
            WHERE id = watch.market_id AND odds_updated_at < %(silent_since)s
            AND status = 'open' AND market_type = 'polymarket' LIMIT 1
        ) AS market
        WHERE watch.watched_until > %(now)s
        ORDER BY upstream_checked_at NULLS FIRST, id LIMIT %(limit)s
    ) UNION (
        SELECT {WANTED} FROM markets
        WHERE status = 'open' AND suspended_reason <> '' AND suspended_reason LIKE '%%{identity.CLOSED_THERE}'
        ORDER BY upstream_checked_at NULLS FIRST, id LIMIT %(limit)s
    )
) AS candidate
ORDER BY upstream_checked_at NULLS FIRST, candidate.id LIMIT %(limit)s
"""  # noqa: S608 - made of the constants above


def resolve_markets(
    *, client: PolymarketClient, now: datetime, limit: int, progress: Progress = lambda _done, _total: None
) -> dict[str, Any]:
    """Close what is closed and resolve what both sources agree on; return the counts.

    An open market that accepts no more orders upstream isn't closed here: `accepting_orders` stops its bets, and starts
    them again when it does. House markets close at their end. Checks at most `limit` markets. Raises UpstreamError
    when Polymarket couldn't be read; what was applied by then stays.
    """
    house_closed = house.close_expired(now=now)
    tally = check_markets(client, find_candidates(now=now, limit=limit), now=now, progress=progress)
    return {
        **{name: tally.counts[name] for name in COUNTED},
        "houseClosed": house_closed,
        "needStaff": len(needing_staff(now=now)),
        **tally.skipped.as_result(),
    }


def find_candidates(*, now: datetime, limit: int) -> list[Candidate]:
    """Return the markets to check, those checked longest ago first."""
    parameters = {"now": now, "silent_since": now - SILENT_AFTER, "limit": limit, "half": (limit + 1) // 2}
    rows = fetch_all(CANDIDATES, parameters)
    return [to_candidate(row) for row in rows]


# As in CANDIDATES, for markets that Polymarket names.
NAMED = """
SELECT market.id, polymarket_id, this_token_id, that_token_id, (
    SELECT ARRAY[this_option, that_option] FROM markets
    WHERE id = market.id AND EXISTS (SELECT FROM market_terms WHERE market_id = market.id)
) FROM markets AS market
WHERE polymarket_id = ANY(%(condition_ids)s) AND status IN ('open', 'closed') AND market_type = 'polymarket'
"""


def check_named(client: PolymarketClient, condition_ids: Sequence[str], *, now: datetime) -> dict[str, int]:
    """Check these markets now, as `resolve_markets` does with those whose turn it is. Raises UpstreamError."""
    candidates = [to_candidate(row) for row in fetch_all(NAMED, {"condition_ids": list(condition_ids)})]
    return dict(check_markets(client, candidates, now=now, progress=lambda _done, _total: None).counts)


def to_candidate(row: Sequence[Any]) -> Candidate:
    market_id, reference, this, that, options = row
    return Candidate(market_id, reference, (this, that), tuple(options) if options else None)


@dataclass(slots=True)
class Tally:
    """What a run did. `refused`: what Polymarket responded about markets that it couldn't be asked about."""

    counts: Counter[str] = field(default_factory=Counter)
    skipped: SkippedObjects = field(default_factory=SkippedObjects)
    refused: dict[UUID, Exception] = field(default_factory=dict)


def check_markets(
    client: PolymarketClient, candidates: Sequence[Candidate], *, now: datetime, progress: Progress
) -> Tally:
    """Check the candidates batch by batch. One that can't be checked is skipped, and its turn comes after the others'.

    Raises UpstreamError when Polymarket refused all of them, and at once when it is unavailable.
    """
    tally, in_a_row = Tally(), FAILURES_IN_A_ROW
    for start in range(0, len(candidates), BATCH):
        batch, refused_before = candidates[start : start + BATCH], len(tally.refused)
        check_batch(client, batch, tally, now=now, failures_in_a_row=in_a_row)
        # Where a whole batch was refused, no single market is to blame, nor looked for in the next one.
        in_a_row = 1 if len(tally.refused) - refused_before == len(batch) else FAILURES_IN_A_ROW
        progress(start + len(batch), len(candidates))
    if candidates and len(tally.refused) == len(candidates):
        raise tally.refused[candidates[-1].id]
    return tally


def check_batch(
    client: PolymarketClient, batch: Sequence[Candidate], tally: Tally, *, now: datetime, failures_in_a_row: int
) -> None:
    """Request the batch and apply what Polymarket says about it; skip those for which that fails."""
    failed: list[Candidate] = []

    def skip(candidate: Candidate, exc: Exception) -> None:
        logger.warning("market %s couldn't be checked: %s", candidate.id, exc)
        failed.append(candidate)
        tally.counts["failed"] += 1
        tally.skipped.add(str(candidate.id), exc)

    found, refused = request_catalogue(client, batch, failures_in_a_row=failures_in_a_row)
    tally.refused |= {c.id: refused[c.polymarket_id] for c in batch if c.polymarket_id in refused}
    applied = act_by_halves(
        list(check_each(client, batch, found, refused, skip)),
        lambda part: run_transaction(lambda: apply_results(part, now=now)),
        failures=OBJECT_ERRORS,
        on_failed=lambda checked, exc: skip(checked.candidate, exc),
    )
    tally.counts += sum(applied, Counter[str]())
    act_by_halves(
        failed,
        lambda part: run_transaction(lambda: note_checked(part, now=now)),
        failures=OBJECT_ERRORS,
        on_failed=lambda candidate, exc: logger.error("market %s can't be noted as checked: %s", candidate.id, exc),
    )


def check_each(
    client: PolymarketClient,
    batch: Sequence[Candidate],
    found: Mapping[str, ParsedMarket | Skipped],
    refused: Mapping[str, Exception],
    skip: Callable[[Candidate, Exception], None],
) -> Iterator[CheckedMarket]:
    """Yield what follows from what was found, requesting from the CLOB each that seems decided."""
    for candidate in batch:
        if error := refused.get(candidate.polymarket_id):
            skip(candidate, error)
            continue
        try:
            checked = check_market(client, candidate, found.get(candidate.polymarket_id))
        except Exception as exc:
            # Whatever it is: one broken market must not stop those after it.
            logger.exception("market %s couldn't be judged", candidate.id)
            skip(candidate, exc)
        else:
            yield checked


def check_market(
    client: PolymarketClient, candidate: Candidate, market: ParsedMarket | Skipped | None
) -> CheckedMarket:
    outcome = judge(market, candidate)
    if outcome.is_result:
        return confirmed(client, candidate, market, outcome)
    return CheckedMarket(candidate, market, outcome)


def judge(market: ParsedMarket | Skipped | None, candidate: Candidate) -> UpstreamOutcome:
    """Return what Gamma's object says of THIS and THAT as they are stored, whatever order it lists them in."""
    if not identity.has_tokens(market, candidate.tokens):
        return decide(market, candidate.tokens)
    if problem := identity.problem_of(market, candidate.identity):
        return UpstreamOutcome(Outcome.UNKNOWN, problem)
    return decide(identity.in_stored_order(market, candidate.identity), candidate.tokens)


def request_catalogue(
    client: PolymarketClient, batch: Sequence[Candidate], *, failures_in_a_row: int
) -> tuple[dict[str, ParsedMarket | Skipped], dict[str, Exception]]:
    """Return by condition id what the catalogue has, and why it couldn't be requested about others.

    Of two under one id it is the one with the stored tokens.

    Leaving `closed` out would hide the closed ones, so both are requested, closed ones first.
    """
    tokens_of = {candidate.polymarket_id: candidate.tokens for candidate in batch}
    found: dict[str, ParsedMarket | Skipped] = {}
    refused: dict[str, Exception] = {}
    missing = set(tokens_of)
    for closed in (True, False):
        for raw in request_by_id(
            client,
            sorted(missing - refused.keys()),
            closed=closed,
            on_refused=refused.__setitem__,
            failures_in_a_row=failures_in_a_row,
        ):
            reference, market = raw["conditionId"], parse_market(raw)
            if reference in missing and identity.has_tokens(market, tokens_of[reference]):
                found[reference] = market
                missing.discard(reference)
            elif reference in missing:
                found.setdefault(reference, market)
    return found, refused


def confirmed(
    client: PolymarketClient, candidate: Candidate, market: ParsedMarket | Skipped | None, outcome: UpstreamOutcome
) -> CheckedMarket:
    """Return the market with its outcome confirmed by the second source, which confirms nothing when it's away."""
    try:
        clob = client.clob_market(candidate.polymarket_id)
    except UpstreamError as exc:
        logger.warning("the second source couldn't be read about %s: %s", candidate.id, exc)
        unconfirmed = UpstreamOutcome(Outcome.UNCONFIRMED, f"{outcome.reason} The second source: no response.")
        return CheckedMarket(candidate, market, unconfirmed)
    return CheckedMarket(candidate, market, confirm(outcome, clob, candidate.tokens), clob_facts(clob))


def clob_facts(clob: dict[str, Any] | None) -> dict[str, values.JSON] | None:
    """Return what the outcome rests on, word for word."""
    if clob is None:
        return None
    facts = {name: values.verbatim(clob[name]) for name in CLOB_FACTS if name in clob}
    tokens = [values.as_mapping(token) for token in (values.as_list(clob.get("tokens")) or [])[:2]]
    facts["tokens"] = [{name: values.verbatim(token.get(name)) for name in TOKEN_FACTS} for token in tokens]
    return facts


# In one order, so that no two transactions that lock several markets wait for each other.
LOCK = """
SELECT id, status, this_token_id, that_token_id, EXISTS (SELECT FROM market_terms WHERE market_id = markets.id)
FROM markets WHERE id = ANY(%(ids)s::uuid[]) AND status IN ('open', 'closed') ORDER BY id FOR UPDATE
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
    suspended_reason = CASE WHEN fresh.status = 'open' THEN market.suspended_reason ELSE '' END,
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
RETURNING market.id
"""  # noqa: S608 - made of the constants above


def apply_results(checked: Sequence[CheckedMarket], *, now: datetime) -> Counter[str]:
    """Lock the markets, look at their rows again, and write what follows; return what is to be counted."""
    require_transaction("apply_results")
    statuses = lock_unfinished(checked)
    locked = [market for market in checked if market.candidate.id in statuses]
    # Read after the lock: staff may have decided something while it was waited for.
    previous = previous_records(list(statuses))
    results = [(market, hold_if_undone(market.outcome, previous.get(market.candidate.id))) for market in locked]
    rows = [
        row_of(market, outcome, status_if_open(statuses[market.candidate.id], previous.get(market.candidate.id)))
        for market, outcome in results
    ]
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
    """Return the status of those that aren't over, and that are still what was checked, with bets or without."""
    checked_as = {market.candidate.id: market.candidate for market in checked}
    return {
        market_id: status
        for market_id, status, this, that, fixed in fetch_all(LOCK, {"ids": list(checked_as)})
        if checked_as[market_id].tokens == (this, that) and (checked_as[market_id].options is not None) == fixed
    }


def status_if_open(status: str, previous: PreviousRecord | None) -> str:
    """Return what a market is to be that is open upstream: open again, unless staff closed it."""
    closed_by_staff = previous is not None and previous.closed_by_staff
    return status if closed_by_staff else Market.Status.OPEN


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
    """Return the market's row as it is to be; None where the upstream's object can't be about this market.

    `status`: what it is to be if it is open upstream.
    """
    market, stored = checked.market, checked.candidate.identity
    if not isinstance(market, ParsedMarket) or identity.problem_of(market, stored):
        return None
    odds = identity.in_stored_order(market, stored).odds if market.closed else None
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
        written = [market_id for (market_id,) in fetch_all(APPLY, {"rows": dumps(rows).decode(), "now": now})]
        publish_odds(written)
        publish_markets(written)


def note_checked(candidates: Sequence[Candidate], *, now: datetime) -> None:
    """Put those that aren't over at the end of the queue."""
    execute(NOTE_CHECKED, {"ids": [candidate.id for candidate in candidates], "now": now})
