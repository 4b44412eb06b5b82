"""Reading Polymarket's catalogue: page after page of events is judged and staged, then applied in one transaction.

Whatever fails before that leaves the markets as they were.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from core.db.transactions import run_transaction
from markets import editions, staging
from markets.polymarket.client import PolymarketClient
from markets.polymarket.parsing import ParsedMarket, Skipped, parse_market

logger = logging.getLogger(__name__)

PAGE_SIZE = 100  # events; a few hundred markets
STAGE_SIZE = 1_000  # markets held in memory at a time
MAX_PAGES = 2_000
# A rare category must not turn into reading everything there is.
MAX_PAGES_OF_A_CATEGORY = 50
# Where Polymarket's tag isn't named like the category; "general" is what no tag says.
TAGS = {"culture": "pop-culture", "general": None}

# Skipped because the object itself is broken, not because of what it is.
BROKEN = frozenset({"not_an_object", "bad_value", "bad_outcomes", "bad_prices", "no_tokens", "no_condition_id"})

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Tally:
    """What a run has judged. `reasons` counts what was left out, by name."""

    total: int = 0
    staged: int = 0
    priceless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def as_result(self, applied: staging.Applied) -> dict[str, Any]:
        """`{total, created, updated, skipped, errors, unchanged, reasons}`: numbers of market objects."""
        errors = sum(count for reason, count in self.reasons.items() if reason in BROKEN)
        return {
            "total": self.total,
            "created": applied.created,
            "updated": applied.updated,
            "skipped": sum(self.reasons.values()) - errors,
            "errors": errors,
            "unchanged": max(0, self.staged - self.priceless - applied.created - applied.updated),
            "reasons": dict(sorted(self.reasons.items())),
        }


def read_and_apply(
    *,
    client: PolymarketClient,
    limit: int,
    category: str | None,
    recheck_limit: int,
    now: datetime,
    progress: Progress,
) -> dict[str, Any]:
    """One run: reads up to `limit` good markets, those with most volume in 24 hours first, and applies them.

    With a category only its markets are read, and those that left the list aren't asked about. Returns the counts.
    Raises UpstreamError, and then nothing has changed.
    """
    tally = Tally()
    staging.clear()
    stage_all(good_markets(client, limit=limit, category=category, tally=tally), tally, listed=True, progress=progress)
    staging.count_up()
    gone = [] if category else staging.left_the_list(limit=recheck_limit)
    stage_all(markets_by_id(client, gone, tally), tally, listed=False, progress=progress)
    return tally.as_result(run_transaction(lambda: apply(now=now, checked=gone)))


def apply(*, now: datetime, checked: list[str]) -> staging.Applied:
    """What was staged, and an edition of it. Run again as a whole after a collision: what is staged stays."""
    applied = staging.apply(now=now, checked=checked)
    if applied.created or applied.updated:
        editions.publish(now=now)
    return applied


def good_markets(client: PolymarketClient, *, limit: int, category: str | None, tally: Tally) -> Iterator[ParsedMarket]:
    good = 0
    for event, raw in listed_objects(client, limit=limit, category=category):
        market = judged(raw, event, tally)
        if market is None:
            continue
        if reason := reason_not_to_list(market, category):
            tally.reasons[reason] += 1
            continue
        yield market
        # One without a price yet can only update what we have; it isn't offered.
        if market.odds is None:
            tally.reasons["no_price"] += 1
            tally.priceless += 1
            continue
        good += 1
        if good >= limit:
            return


def listed_objects(
    client: PolymarketClient, *, limit: int, category: str | None
) -> Iterator[tuple[Mapping[str, Any] | None, object]]:
    pages = client.iter_event_pages(
        closed=False,
        tag_slug=TAGS.get(category, category) if category else None,
        page_size=min(limit, PAGE_SIZE),
        max_pages=MAX_PAGES,
    )
    for page in islice(pages, MAX_PAGES_OF_A_CATEGORY if category else None):
        for event in page:
            yield from markets_of(event)


def markets_of(event: object) -> Iterator[tuple[Mapping[str, Any] | None, object]]:
    if not isinstance(event, Mapping):
        yield None, event
        return
    nested = event.get("markets")
    for raw in nested if isinstance(nested, list) else []:
        yield event, raw


def markets_by_id(client: PolymarketClient, polymarket_ids: list[str], tally: Tally) -> Iterator[ParsedMarket]:
    """Those that left the list: most are closed; the others are open still, with too little volume to be listed."""
    wanted = set(polymarket_ids)
    for closed in (True, False):
        if not wanted:
            return
        for raw in client.markets_by_condition_ids(sorted(wanted), closed=closed):
            market = judged(raw, None, tally)
            if market and market.polymarket_id in wanted:
                wanted.discard(market.polymarket_id)
                yield market
    tally.reasons["not_found"] += len(wanted)
    tally.total += len(wanted)


def judged(raw: object, event: Mapping[str, Any] | None, tally: Tally) -> ParsedMarket | None:
    tally.total += 1
    verdict = parse_market(raw, event)
    if isinstance(verdict, Skipped):
        tally.reasons[verdict.reason] += 1
        return None
    return verdict


def reason_not_to_list(market: ParsedMarket, category: str | None) -> str | None:
    if market.closed:
        return "closed"
    if category and market.category != category:
        return "other_category"
    return None


def stage_all(markets: Iterable[ParsedMarket], tally: Tally, *, listed: bool, progress: Progress) -> None:
    batch: list[ParsedMarket] = []
    for market in markets:
        batch.append(market)
        if len(batch) == STAGE_SIZE:
            flush(batch, tally, listed=listed, progress=progress)
    flush(batch, tally, listed=listed, progress=progress)


def flush(batch: list[ParsedMarket], tally: Tally, *, listed: bool, progress: Progress) -> None:
    if batch:
        staging.stage(batch, first_ordinal=tally.staged, listed=listed)
        tally.staged += len(batch)
        batch.clear()
        progress(tally.staged, tally.total)
