"""The resolution run: requests from Polymarket how its markets ended, batch after batch, and applies what it says.

No transaction is open during a request. A batch is applied in one short transaction, so a run that dies has lost one
batch. Each market's row is locked, and looked at again, before anything is written about it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from core.db.sql import fetch_all
from core.db.transactions import run_transaction
from markets import house
from markets.errors import UpstreamError, UpstreamUnavailable
from markets.polymarket import values
from markets.polymarket.client import PolymarketClient
from markets.polymarket.parsing import ParsedMarket, Skipped, parse_market
from markets.resolution.apply import Candidate, CheckedMarket, apply_results, note_checked
from markets.resolution.policy import RESULTS, Outcome, UpstreamOutcome, confirm, decide
from markets.resolution.records import needing_staff
from markets.rules import SILENT_AFTER

logger = logging.getLogger(__name__)
BATCH = 40  # as many as one request to the catalogue takes
CLOB_FACTS = ("active", "archived", "closed", "accepting_orders", "is_50_50_outcome")
TOKEN_FACTS = ("token_id", "outcome", "price", "winner")
COUNTED = ("asked", "closed", "resolved", *(str(outcome) for outcome in Outcome if outcome not in RESULTS), "failed")

Progress = Callable[[int, int], None]


# Closed ones are here until they are resolved. Open ones are past their planned end, or watched (somebody looks at
# them, or bet on them) with an order book that fell silent. The other open ones that Polymarket no longer lists are
# ingestion's to check: it closes them, and then they are here. Many are past their end for months: they get half of
# the places, those first that weren't checked since they ended. Each part reads no more of an index than it returns.
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


def resolve_markets(
    *, client: PolymarketClient, now: datetime, limit: int, progress: Progress = lambda _done, _total: None
) -> dict[str, Any]:
    """Close what is closed and resolve what both sources agree on; return the counts.

    An open market that accepts no more orders upstream isn't closed here: `accepting_orders` stops its bets, and starts
    them again when it does. House markets close at their end. Checks at most `limit` markets. Raises UpstreamError
    when Polymarket couldn't be read; what was applied by then stays.
    """
    house_closed = house.close_expired(now=now)
    counts = check_markets(client, find_candidates(now=now, limit=limit), now=now, progress=progress)
    return {
        **{name: counts[name] for name in COUNTED},
        "houseClosed": house_closed,
        "needStaff": len(needing_staff(now=now)),
    }


def find_candidates(*, now: datetime, limit: int) -> list[Candidate]:
    """Return the markets to check, those checked longest ago first."""
    parameters = {"now": now, "silent_since": now - SILENT_AFTER, "limit": limit, "half": (limit + 1) // 2}
    rows = fetch_all(CANDIDATES, parameters)
    return [Candidate(market_id, reference, (this, that)) for market_id, reference, this, that in rows]


def check_markets(
    client: PolymarketClient, candidates: Sequence[Candidate], *, now: datetime, progress: Progress
) -> Counter[str]:
    """Check the candidates batch by batch. One with a garbled response is passed over, and its turn comes again.

    Raises UpstreamError when all were, and at once when Polymarket is unavailable.
    """
    counts: Counter[str] = Counter()
    for start in range(0, len(candidates), BATCH):
        batch = candidates[start : start + BATCH]
        try:
            counts += apply_in_transaction(list(check_batch(client, batch)), now=now)
        except UpstreamUnavailable:
            raise
        except UpstreamError as exc:
            logger.warning("%d markets couldn't be checked: %s", len(batch), exc)
            counts["failed"] += len(batch)
            run_transaction(partial(note_checked, batch, now=now))
            if counts["failed"] == len(candidates):
                raise
        progress(start + len(batch), len(candidates))
    return counts


def apply_in_transaction(checked: Sequence[CheckedMarket], *, now: datetime) -> Counter[str]:
    return run_transaction(lambda: apply_results(checked, now=now))


def check_batch(client: PolymarketClient, batch: Sequence[Candidate]) -> Iterator[CheckedMarket]:
    """Request all of the batch from the catalogue, and from the CLOB each that seems decided."""
    found = request_catalogue(client, [candidate.polymarket_id for candidate in batch])
    for candidate in batch:
        market = found.get(candidate.polymarket_id)
        outcome = decide(market, candidate.tokens)
        if not outcome.is_result:
            yield CheckedMarket(candidate, market, outcome)
            continue
        yield confirmed(client, candidate, market, outcome)


def request_catalogue(client: PolymarketClient, references: list[str]) -> dict[str, ParsedMarket | Skipped]:
    """Return by condition id what the catalogue has.

    Leaving `closed` out would hide the closed ones, so both are requested, closed ones first.
    """
    found: dict[str, ParsedMarket | Skipped] = {}
    for closed in (True, False):
        missing = [reference for reference in references if reference not in found]
        if missing:
            for raw in client.markets_by_condition_ids(missing, closed=closed):
                found.setdefault(raw["conditionId"], parse_market(raw))
    return found


def confirmed(
    client: PolymarketClient, candidate: Candidate, market: ParsedMarket | Skipped | None, outcome: UpstreamOutcome
) -> CheckedMarket:
    """Return the market with its outcome confirmed by the second source, which confirms nothing when it's away."""
    try:
        clob = client.clob_market(candidate.polymarket_id)
    except UpstreamError as exc:
        logger.warning("the second source couldn't be asked about %s: %s", candidate.id, exc)
        unconfirmed = UpstreamOutcome(Outcome.UNCONFIRMED, f"{outcome.reason} The second source: no answer.")
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
