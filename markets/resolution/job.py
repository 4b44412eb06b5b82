"""Asking Polymarket how its markets ended, batch after batch. Nothing is open while the network is asked.

A batch is applied in one short transaction, so a run that dies has lost one batch. Each market's row is locked, and
looked at again, before anything is concluded about it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection

from core.db.transactions import run_transaction
from core.jobs.runs import run_job
from markets import house
from markets.polymarket import values
from markets.polymarket.client import PolymarketClient, UpstreamError, UpstreamUnavailable
from markets.polymarket.parsing import ParsedMarket, Skipped, parse_market
from markets.resolution import records as evidence
from markets.resolution.apply import Candidate, Finding, apply, note_checked
from markets.resolution.policy import RESULTS, Decision, Verdict, confirm, decide
from markets.rules import SILENT_AFTER

logger = logging.getLogger(__name__)
RESOLVE = "markets.resolve"
BATCH = 40  # as many as one question to the catalogue takes
CLOB_FACTS = ("active", "archived", "closed", "accepting_orders", "is_50_50_outcome")
TOKEN_FACTS = ("token_id", "outcome", "price", "winner")
COUNTED = ("asked", "closed", "resolved", *(str(verdict) for verdict in Verdict if verdict not in RESULTS), "failed")

Progress = Callable[[int, int], None]


# Closed ones are here until they are resolved. Open ones are past their planned end, or watched (by somebody's eyes, or
# for somebody's bet) with an order book that fell silent. The other open ones that left the list are ingestion's to
# recheck: it closes them, and then they are here. Many are past their end for months: they get half of the turns, those
# first that weren't asked about since they ended. Each part reads as many rows of an index as it takes.
WANTED = "id, polymarket_id, this_token_id, that_token_id, upstream_checked_at"
ENDED = f"SELECT {WANTED}, expires_at FROM markets WHERE status = 'open' AND market_type = 'polymarket'"  # noqa: S608
CANDIDATES = f"""
SELECT id, polymarket_id, this_token_id, that_token_id FROM (
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
    )
) AS candidate
ORDER BY upstream_checked_at NULLS FIRST, id LIMIT %(limit)s
"""  # noqa: S608 - made of the constants above


def nowhere(done: int, total: int) -> None:
    """No progress is shown."""


def resolve_markets(
    *, client: PolymarketClient, now: datetime, limit: int, progress: Progress = nowhere
) -> dict[str, Any] | None:
    """Closes what is closed and resolves what both sources agree on; returns the counts, None when under way.

    An open market that accepts no more orders upstream isn't closed here: `accepting_orders` stops its bets, and starts
    them again when it does. House markets close at their end. Asks about at most `limit` markets. Raises UpstreamError
    when Polymarket couldn't be read; what was applied by then stays.
    """

    def work() -> dict[str, Any]:
        house_closed = house.close_expired(now=now)
        counts = Counter(look_at_all(client, find_candidates(now=now, limit=limit), now=now, progress=progress))
        return {
            **{name: counts[name] for name in COUNTED},
            "houseClosed": house_closed,
            "needStaff": len(evidence.needing_staff(now=now)),
        }

    run = run_job(RESOLVE, work)
    return run.result if run else None


def find_candidates(*, now: datetime, limit: int) -> list[Candidate]:
    """Those asked about longest ago first."""
    parameters: dict[str, Any] = {
        "now": now,
        "silent_since": now - SILENT_AFTER,
        "limit": limit,
        "half": (limit + 1) // 2,
    }
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, parameters)
        return [Candidate(market_id, reference, (this, that)) for market_id, reference, this, that in cursor.fetchall()]


def look_at_all(
    client: PolymarketClient, candidates: Sequence[Candidate], *, now: datetime, progress: Progress
) -> Counter[str]:
    """A batch that is answered with nonsense is passed over, and its turn comes again.

    Raises UpstreamError when all were, and at once when Polymarket is away.
    """
    counts: Counter[str] = Counter()
    for start in range(0, len(candidates), BATCH):
        batch = candidates[start : start + BATCH]
        try:
            counts += conclude(list(look_at(client, batch)), now=now)
        except UpstreamUnavailable:
            raise
        except UpstreamError as exc:
            logger.warning("%d markets couldn't be looked at: %s", len(batch), exc)
            counts["failed"] += len(batch)
            run_transaction(partial(note_checked, batch, now=now))
            if counts["failed"] == len(candidates):
                raise
        progress(start + len(batch), len(candidates))
    return counts


def conclude(findings: Sequence[Finding], *, now: datetime) -> Counter[str]:
    return run_transaction(lambda: apply(findings, now=now))


def look_at(client: PolymarketClient, batch: Sequence[Candidate]) -> Iterator[Finding]:
    """Asks the catalogue for all of the batch, and the CLOB for each that seems decided."""
    said = ask_catalogue(client, [candidate.polymarket_id for candidate in batch])
    for candidate in batch:
        market = said.get(candidate.polymarket_id)
        decision = decide(market, candidate.tokens)
        if not decision.is_result:
            yield Finding(candidate, market, decision)
            continue
        yield confirmed(client, candidate, market, decision)


def ask_catalogue(client: PolymarketClient, references: list[str]) -> dict[str, ParsedMarket | Skipped]:
    """By condition id. Leaving `closed` out would hide the closed ones, so both are asked for, closed ones first."""
    said: dict[str, ParsedMarket | Skipped] = {}
    for closed in (True, False):
        missing = [reference for reference in references if reference not in said]
        if missing:
            for raw in client.markets_by_condition_ids(missing, closed=closed):
                said.setdefault(raw["conditionId"], parse_market(raw))
    return said


def confirmed(
    client: PolymarketClient, candidate: Candidate, market: ParsedMarket | Skipped | None, decision: Decision
) -> Finding:
    """With the second source's word. One that can't be asked confirms nothing."""
    try:
        clob = client.clob_market(candidate.polymarket_id)
    except UpstreamError as exc:
        logger.warning("the second source couldn't be asked about %s: %s", candidate.id, exc)
        unasked = Decision(Verdict.UNCONFIRMED, f"{decision.reason} The second source: no answer.")
        return Finding(candidate, market, unasked)
    return Finding(candidate, market, confirm(decision, clob, candidate.tokens), clob_facts(clob))


def clob_facts(clob: dict[str, Any] | None) -> dict[str, values.JSON] | None:
    """Word for word, as far as anything is concluded from it."""
    if clob is None:
        return None
    facts = {name: values.verbatim(clob[name]) for name in CLOB_FACTS if name in clob}
    tokens = [values.as_mapping(token) for token in (values.as_list(clob.get("tokens")) or [])[:2]]
    facts["tokens"] = [{name: values.verbatim(token.get(name)) for name in TOKEN_FACTS} for token in tokens]
    return facts
