"""Ingestion of Polymarket's catalogue: page after page of events is parsed and staged, then applied in one transaction.

What was read is staged in an unlogged table and applied in a few statements, however many rows. Whatever fails before
that leaves the markets as they were.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from core.db.sql import fetch_all
from core.db.transactions import run_transaction
from core.jobs.runs import SkippedObjects
from core.resilience import OBJECT_ERRORS, act_by_halves
from markets import identity, listings
from markets.polymarket.client import FAILURES_IN_A_ROW, PolymarketClient, request_by_id
from markets.polymarket.parsing import ParsedMarket, parse_market
from markets.staging import (
    REMOVE_STAGED,
    Applied,
    Read,
    Withdrawn,
    analyze_staging,
    apply_staged,
    clear_staging,
    find_unlisted,
    stage,
    try_to_apply,
)

logger = logging.getLogger(__name__)

PAGE_SIZE = 100  # events; a few hundred markets
STAGE_SIZE = 1_000  # markets held in memory at a time
MAX_PAGES = 2_000
# A rare category must not turn into reading everything there is.
MAX_PAGES_OF_A_CATEGORY = 50
# Where Polymarket's tag isn't named like the category; "general" is what no tag says.
TAGS = {"culture": "pop-culture", "general": None}

# Skipped because the object itself is broken, not because of what it is.
BROKEN = frozenset(
    {"not_an_object", "bad_value", "bad_outcomes", "bad_prices", "no_tokens", "no_condition_id", "unreadable"}
    | {"unstorable", "refused"}
)

Progress = Callable[[int, int], None]


def no_progress(staged: int, total: int) -> None:
    """Show no progress."""


@dataclass(slots=True)
class Tally:
    """What a run has read. `reasons` counts what was left out, by name; `broken` names the broken objects among it."""

    total: int = 0
    staged: int = 0
    without_price: int = 0
    withdrawn: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    broken: SkippedObjects = field(default_factory=SkippedObjects)

    def skip_broken(self, reason: str, object_id: str, detail: str | Exception) -> None:
        """Count a broken object, and keep why it is skipped."""
        self.reasons[reason] += 1
        self.broken.add(object_id, detail)

    def as_result(self, applied: Applied) -> dict[str, Any]:
        """Return `{total, created, updated, skipped, errors, unchanged, reasons}`: numbers of market objects.

        With `skippedObjects` where some were broken.
        """
        errors = sum(count for reason, count in self.reasons.items() if reason in BROKEN)
        return {
            "total": self.total,
            "created": applied.created,
            "updated": applied.updated,
            "skipped": sum(self.reasons.values()) - errors,
            "errors": errors,
            "unchanged": max(0, self.staged - self.without_price - self.withdrawn - applied.created - applied.updated),
            "reasons": dict(sorted(self.reasons.items())),
            **({"skippedObjects": self.broken.kept} if self.broken.kept else {}),
        }


def ingest_markets(
    *,
    client: PolymarketClient,
    limit: int,
    now: datetime,
    category: str | None = None,
    recheck_limit: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Read up to `limit` good markets, those with most volume in 24 hours first, and apply them; return the counts.

    With a category only its markets are read. Otherwise up to `recheck_limit` open markets that Polymarket no longer
    lists are requested by their id, too. Raises UpstreamError, and then nothing has changed.
    """
    tally = Tally()
    clear_staging()
    listed = read_listed(client, limit=limit, category=category, tally=tally)
    stage_all(listed, tally, listed=True, progress=progress)
    analyze_staging()
    unlisted = [] if category else find_unlisted(limit=recheck_limit)
    stage_all(read_by_id(client, unlisted, tally), tally, listed=False, progress=progress)
    applied = apply_all_but_broken(tally, now=now, checked=unlisted)
    return tally.as_result(applied)


def apply_all_but_broken(tally: Tally, *, now: datetime, checked: list[str]) -> Applied:
    """Apply what was staged in one transaction; where it fails, once more without the rows that it fails for.

    A failure that no single row is to blame for is raised.
    """
    try:
        return run_transaction(lambda: apply_and_publish(now=now, checked=checked))
    except OBJECT_ERRORS:
        if not remove_broken(tally, now=now):
            raise
    return run_transaction(lambda: apply_and_publish(now=now, checked=checked))


def remove_broken(tally: Tally, *, now: datetime) -> int:
    """Remove from what was staged all rows that can't be applied; return how many."""
    staged = tally.staged

    def remove(ordinal: int, exc: Exception) -> None:
        for (polymarket_id,) in fetch_all(REMOVE_STAGED, {"ordinal": ordinal}):
            tally.staged -= 1
            tally.skip_broken("unstorable", polymarket_id, exc)

    act_by_halves(
        range(staged),
        lambda part: run_transaction(lambda: try_to_apply(part[0], part[-1], now=now)),
        failures=OBJECT_ERRORS,
        on_failed=remove,
        size=-(-staged // 2),
    )
    return staged - tally.staged


def apply_and_publish(*, now: datetime, checked: list[str]) -> Applied:
    """Apply what was staged, and publish an edition of it. Can be run again as a whole: what is staged stays."""
    applied = apply_staged(now=now, checked=checked)
    if applied.created or applied.updated or applied.events:
        listings.publish_edition(now=now)
    return applied


def read_listed(client: PolymarketClient, *, limit: int, category: str | None, tally: Tally) -> Iterator[Read]:
    """Yield markets as Polymarket lists them, with their events, until `limit` of them can be bet on."""
    good = 0
    for event, raw in listed_objects(client, limit=limit, category=category):
        market = parse(raw, event, tally)
        if market is None:
            continue
        if isinstance(market, Withdrawn):
            yield market
            continue
        if reason := reason_not_to_list(market, category):
            tally.reasons[reason] += 1
            continue
        yield market
        # One without a price yet can only update what is stored; it isn't listed.
        if market.odds is None:
            tally.reasons["no_price"] += 1
            tally.without_price += 1
            continue
        good += 1
        if good >= limit:
            return


def listed_objects(
    client: PolymarketClient, *, limit: int, category: str | None
) -> Iterator[tuple[Mapping[str, Any] | None, object]]:
    """Yield each listed event with each of its markets, as they were sent."""
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
    nested = event.get("markets") or []
    for raw in nested if isinstance(nested, list) else [nested]:
        yield event, raw


def read_by_id(client: PolymarketClient, polymarket_ids: list[str], tally: Tally) -> Iterator[Read]:
    """Yield markets that aren't listed: most are closed; the others are open, with too little volume to be listed.

    Two may come under one id: which of them it is, is told by what is stored.
    """
    missing = set(polymarket_ids)

    def skip(polymarket_id: str, exc: Exception) -> None:
        missing.discard(polymarket_id)
        if not missing and len(polymarket_ids) >= FAILURES_IN_A_ROW:
            raise exc  # all were refused: none of them is to blame
        tally.total += 1
        tally.skip_broken("refused", polymarket_id, exc)

    for closed in (True, False):
        requested = frozenset(missing)
        if not requested:
            return
        for raw in request_by_id(client, sorted(requested), closed=closed, on_refused=skip):
            market = parse(raw, None, tally)
            if market and market.polymarket_id in requested:
                missing.discard(market.polymarket_id)
                yield market
    tally.reasons["not_found"] += len(missing)
    tally.total += len(missing)
    tally.withdrawn += len(missing)
    for polymarket_id in sorted(missing):
        yield Withdrawn(polymarket_id, identity.GONE)


def parse(raw: object, event: Mapping[str, Any] | None, tally: Tally) -> Read | None:
    """Return the parsed market; with the reason counted, that it was withdrawn, or None for a broken object."""
    tally.total += 1
    parsed = parse_market(raw, event)
    if isinstance(parsed, ParsedMarket):
        return parsed
    if parsed.reason in BROKEN:
        tally.skip_broken(parsed.reason, parsed.polymarket_id or parsed.detail, f"{parsed.reason}: {parsed.detail}")
    else:
        tally.reasons[parsed.reason] += 1
    if problem := identity.withdrawn(parsed):
        tally.withdrawn += 1
        return Withdrawn(parsed.polymarket_id, problem)
    return None


def reason_not_to_list(market: ParsedMarket, category: str | None) -> str | None:
    if market.closed:
        return "closed"
    if category and market.category != category:
        return "other_category"
    return None


def stage_all(markets: Iterable[Read], tally: Tally, *, listed: bool, progress: Progress) -> None:
    batch: list[Read] = []
    for market in markets:
        batch.append(market)
        if len(batch) == STAGE_SIZE:
            flush(batch, tally, listed=listed, progress=progress)
    flush(batch, tally, listed=listed, progress=progress)


def flush(batch: list[Read], tally: Tally, *, listed: bool, progress: Progress) -> None:
    """Stage the batch, all but those that can't be, and empty it."""

    def stage_part(part: list[Read]) -> None:
        stage(part, first_ordinal=tally.staged, listed=listed)
        tally.staged += len(part)

    if batch:
        act_by_halves(
            batch,
            stage_part,
            failures=OBJECT_ERRORS,
            on_failed=lambda market, exc: tally.skip_broken("unstorable", market.polymarket_id, exc),
        )
        batch.clear()
        progress(tally.staged, tally.total)
