"""Ingestion of Polymarket's catalogue: page after page of events is parsed and staged, then applied in one transaction.

What was read is staged in an unlogged table and applied in a few statements, however many rows. Whatever fails before
that leaves the markets as they were.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from core.api.json import dumps
from core.db.sql import execute, fetch_all, new_id
from core.db.transactions import require_transaction, run_transaction
from core.jobs.runs import SkippedObjects
from core.resilience import OBJECT_ERRORS, act_by_halves
from markets import listings
from markets.models import EventFields, MarketFields
from markets.polymarket.client import FAILURES_IN_A_ROW, PolymarketClient, request_by_id
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
    reasons: Counter[str] = field(default_factory=Counter)
    broken: SkippedObjects = field(default_factory=SkippedObjects)

    def skip_broken(self, reason: str, object_id: str, detail: str | Exception) -> None:
        """Count a broken object, and keep why it is skipped."""
        self.reasons[reason] += 1
        self.broken.add(object_id, detail)

    def as_result(self, applied: "Applied") -> dict[str, Any]:
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
            "unchanged": max(0, self.staged - self.without_price - applied.created - applied.updated),
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
    return tally.as_result(apply_all_but_broken(tally, now=now, checked=unlisted))


def apply_all_but_broken(tally: Tally, *, now: datetime, checked: list[str]) -> "Applied":
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


def apply_and_publish(*, now: datetime, checked: list[str]) -> "Applied":
    """Apply what was staged, and publish an edition of it. Can be run again as a whole: what is staged stays."""
    applied = apply_staged(now=now, checked=checked)
    if applied.created or applied.updated:
        listings.publish_edition(now=now)
    return applied


def read_listed(client: PolymarketClient, *, limit: int, category: str | None, tally: Tally) -> Iterator[ParsedMarket]:
    """Yield markets as Polymarket lists them, with their events, until `limit` of them can be bet on."""
    good = 0
    for event, raw in listed_objects(client, limit=limit, category=category):
        market = parse(raw, event, tally)
        if market is None:
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


def read_by_id(client: PolymarketClient, polymarket_ids: list[str], tally: Tally) -> Iterator[ParsedMarket]:
    """Yield markets that aren't listed: most are closed; the others are open, with too little volume to be listed."""
    missing = set(polymarket_ids)

    def skip(polymarket_id: str, exc: Exception) -> None:
        missing.discard(polymarket_id)
        if not missing and len(polymarket_ids) >= FAILURES_IN_A_ROW:
            raise exc  # all were refused: none of them is to blame
        tally.total += 1
        tally.skip_broken("refused", polymarket_id, exc)

    for closed in (True, False):
        if not missing:
            return
        for raw in request_by_id(client, sorted(missing), closed=closed, on_refused=skip):
            market = parse(raw, None, tally)
            if market and market.polymarket_id in missing:
                missing.discard(market.polymarket_id)
                yield market
    tally.reasons["not_found"] += len(missing)
    tally.total += len(missing)


def parse(raw: object, event: Mapping[str, Any] | None, tally: Tally) -> ParsedMarket | None:
    """Return the parsed market; None, with the reason counted, for an object that isn't one."""
    tally.total += 1
    parsed = parse_market(raw, event)
    if isinstance(parsed, Skipped):
        if parsed.reason in BROKEN:
            tally.skip_broken(parsed.reason, parsed.polymarket_id or parsed.detail, f"{parsed.reason}: {parsed.detail}")
        else:
            tally.reasons[parsed.reason] += 1
        return None
    return parsed


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
    """Stage the batch, all but those that can't be, and empty it."""

    def stage_part(part: list[ParsedMarket]) -> None:
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


# Polymarket's edge may serve the catalogue's prices this much later than the order book's.
CATALOGUE_LAG = timedelta(minutes=5)


def names_of(fields: type[MarketFields | EventFields]) -> tuple[str, ...]:
    return tuple(declared.name for declared in fields._meta.fields)  # noqa: SLF001 - Django's documented API


# Copied as they are: a change in any of them is worth writing a row for. A model's fields are columns of the staging
# table and attributes of ParsedMarket under the same names.
OWN = names_of(MarketFields)
# One requested by its id comes without its event: what is stored of that stays.
FROM_EVENT = names_of(EventFields)
COPIED = (*OWN, *FROM_EVENT)
# Kept as they were when they weren't sent.
AMOUNTS = ("liquidity", "volume", "volume_24hr")
ODDS = ("this_odds", "that_odds")
STAGED = ("id", "ordinal", "listed", "polymarket_id", "closed", *COPIED, *AMOUNTS, *ODDS)

# One market may come twice, in two events or on two pages: the first place counts.
BEST = "SELECT DISTINCT ON (polymarket_id) * FROM market_staging ORDER BY polymarket_id, ordinal"


def columns(names: Iterable[str], table: str = "") -> str:
    """Return a list of columns in SQL."""
    return ", ".join(f"{table}.{name}" if table else name for name in names)


# Open markets as they are to be. The catalogue's prices lag behind the order book's: they don't replace odds that came
# from there just now.
FRESH = f"""
SELECT
    stored.id AS market_id,
    {columns(OWN, "best")},
    {", ".join(f"CASE WHEN best.listed THEN best.{name} ELSE stored.{name} END AS {name}" for name in FROM_EVENT)},
    {", ".join(f"coalesce(best.{name}, stored.{name}) AS {name}" for name in AMOUNTS)},
    CASE WHEN odds.taken THEN best.this_odds ELSE stored.this_odds END AS this_odds,
    CASE WHEN odds.taken THEN best.that_odds ELSE stored.that_odds END AS that_odds,
    stored.odds_live AND NOT odds.taken AS odds_live,
    CASE WHEN best.closed THEN 'closed' ELSE stored.status END AS status
FROM ({BEST}) AS best
JOIN markets AS stored USING (polymarket_id)
CROSS JOIN LATERAL (SELECT
    best.this_odds IS NOT NULL AND NOT (stored.odds_live AND stored.odds_updated_at > %(lag_start)s) AS taken
) AS odds
WHERE stored.status = 'open'
"""  # noqa: S608 - made of the constants above
COMPARED = (*COPIED, *AMOUNTS, *ODDS, "status")
CHANGED = f"({columns(COMPARED, 'market')}) IS DISTINCT FROM ({columns(COMPARED, 'fresh')})"

# Those that change, and those that were checked, which is noted. Locked in the order of ids, like everywhere, so that
# no two transactions wait for each other.
LOCK = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM markets WHERE status = 'open' AND id IN (
        SELECT market.id FROM ({FRESH}) AS fresh JOIN markets AS market ON market.id = fresh.market_id WHERE {CHANGED}
        UNION ALL
        SELECT id FROM markets WHERE polymarket_id = ANY(%(checked)s)
    ) ORDER BY id FOR NO KEY UPDATE
), noted AS (
    UPDATE markets SET upstream_checked_at = %(now)s
    FROM locked WHERE markets.id = locked.id AND polymarket_id = ANY(%(checked)s)
)
SELECT id FROM locked
"""  # noqa: S608 - made of the constants above
# Compared again: what was written while the locks were waited for isn't undone.
UPDATE = f"""
UPDATE markets AS market SET
    {", ".join(f"{name} = fresh.{name}" for name in (*COPIED, *AMOUNTS, *ODDS))},
    status = fresh.status,
    odds_live = fresh.odds_live,
    odds_updated_at = CASE
        WHEN ({columns(ODDS, "market")}) IS DISTINCT FROM ({columns(ODDS, "fresh")}) THEN %(now)s
        ELSE market.odds_updated_at END,
    upstream_seen_at = CASE
        WHEN market.upstream_facts IS DISTINCT FROM fresh.upstream_facts THEN %(now)s
        ELSE market.upstream_seen_at END,
    updated_at = %(now)s
FROM ({FRESH} AND stored.id = ANY(%(locked)s::uuid[])) AS fresh
WHERE market.id = fresh.market_id AND {CHANGED}
"""  # noqa: S608

INSERT = f"""
INSERT INTO markets (
    id, market_type, status, polymarket_id, {columns((*COPIED, *ODDS, *AMOUNTS))},
    odds_live, odds_updated_at, upstream_seen_at, created_at, updated_at
)
SELECT
    best.id, 'polymarket', 'open', best.polymarket_id, {columns((*COPIED, *ODDS), "best")},
    {", ".join(f"coalesce(best.{name}, 0)" for name in AMOUNTS)},
    false, %(now)s, %(now)s, %(now)s, %(now)s
FROM ({BEST}) AS best
WHERE best.listed AND NOT best.closed AND best.this_odds IS NOT NULL
ON CONFLICT (polymarket_id) DO NOTHING
"""  # noqa: S608

UNLISTED = """
SELECT market.polymarket_id FROM markets AS market
WHERE market.status = 'open' AND market.market_type = 'polymarket'
AND NOT EXISTS (SELECT FROM market_staging AS staged WHERE staged.polymarket_id = market.polymarket_id)
ORDER BY market.upstream_checked_at NULLS FIRST, market.id LIMIT %(limit)s
"""
# All rows of one market: where one can't be applied, its copies are not to be trusted.
REMOVE_STAGED = """
DELETE FROM market_staging
WHERE polymarket_id = (SELECT polymarket_id FROM market_staging WHERE ordinal = %(ordinal)s)
RETURNING polymarket_id
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """Numbers of rows of `markets`."""

    created: int
    updated: int


def clear_staging() -> None:
    execute("TRUNCATE market_staging")


def stage(markets: Sequence[ParsedMarket], *, first_ordinal: int, listed: bool) -> None:
    """Add what was read, in its order, by one COPY. `listed`: with its event, not requested by its id."""
    with (
        transaction.atomic(),
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY market_staging ({columns(STAGED)}) FROM STDIN") as copy,
    ):
        for ordinal, market in enumerate(markets, first_ordinal):
            copy.write_row(staged_row(market, ordinal, listed))


def staged_row(market: ParsedMarket, ordinal: int, listed: bool) -> tuple[Any, ...]:  # noqa: FBT001 - a column
    special = {
        "id": new_id(),
        "ordinal": ordinal,
        "listed": listed,
        "tags": list(market.tags),
        "upstream_facts": Jsonb(market.upstream_facts, dumps=dumps),
        "this_odds": market.odds.this if market.odds else None,
        "that_odds": market.odds.that if market.odds else None,
    }
    return tuple(special[name] if name in special else getattr(market, name) for name in STAGED)


def analyze_staging() -> None:
    """Collect statistics of what was staged, for the joins that follow."""
    execute("ANALYZE market_staging")


def find_unlisted(*, limit: int) -> list[str]:
    """Return condition ids of open markets that this run hasn't read, those checked longest ago first."""
    return [polymarket_id for (polymarket_id,) in fetch_all(UNLISTED, {"limit": limit})]


def apply_staged(*, now: datetime, checked: Sequence[str]) -> Applied:
    """Bring `markets` up to what was staged: a row is written only if something in it changed. One transaction's work.

    `checked` are the condition ids that were requested by id. Markets that are no longer open here are left alone:
    how they end is the resolution's business.
    """
    require_transaction("apply_staged")
    facts: dict[str, Any] = {"now": now, "lag_start": now - CATALOGUE_LAG, "checked": list(checked)}
    locked = [market_id for (market_id,) in fetch_all(LOCK, facts)]
    updated = execute(UPDATE, facts | {"locked": locked})
    created = execute(INSERT, facts)
    return Applied(created=created, updated=updated)


def try_to_apply(first: int, last: int, *, now: datetime) -> None:
    """Apply the rows staged from one ordinal to another, to see whether they can be, and undo it."""
    require_transaction("try_to_apply")
    execute("DELETE FROM market_staging WHERE ordinal NOT BETWEEN %s AND %s", [first, last])
    apply_staged(now=now, checked=[])
    transaction.set_rollback(True)
