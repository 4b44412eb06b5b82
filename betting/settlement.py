"""Paying bets on markets that are over.

A market that is over with pending bets is the queue; nothing else remembers what is to be done. Each batch is a durable
transaction: it locks the market, takes the next pending bets, moves the credits, and settles the bets. Whatever is
killed goes on there later; who comes at the same time waits for the market and finds the next batch.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError, connection

from betting import settlement_sql as sql
from betting.offers import MarketNotFound
from core.api.errors import DomainError
from core.db.transactions import COLLISIONS, require_transaction, run_transaction, state_of
from economy import ledger
from markets.models import Market

logger = logging.getLogger(__name__)
BATCH = 5_000
OVER = (Market.Status.RESOLVED, Market.Status.CANCELLED)
# What is wrong with one bet or one user, and doesn't pass: the bet is set aside. Anything else stops the settlement.
REFUSALS = (IntegrityError, DataError, ledger.InsufficientCredits, ledger.AlreadyPosted, ledger.UnknownUser)
MAX_ERROR_LETTERS = 500
EXAMPLES = 20
FIRST = UUID(int=0)


class MarketNotOver(DomainError):
    code = "market_not_over"
    message = "This market isn't resolved: there is nothing to pay yet."


class MarketsUnsettled(DomainError):
    """Some couldn't be settled; all others were."""

    code = "markets_unsettled"
    status = 500
    message = "Some markets couldn't be settled."


class BatchRefused(Exception):
    """At least one of these bets can't be settled; nothing of the batch happened."""

    def __init__(self, bets: list[UUID]) -> None:
        super().__init__(f"{len(bets)} bets")
        self.bets = bets


@dataclass(frozen=True, slots=True)
class Summary:
    """What the settlement in force has done so far: numbers of bets, and credits."""

    generation: int
    resolution: str
    won: int
    lost: int
    cancelled: int
    paid: Decimal
    refunded: Decimal
    set_aside: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class Run:
    """A market's settlement by this process; `progress` is told how many bets each transaction settled.

    `after`: the last bet that it settled. The next are looked for behind it, and not among those that are done.
    """

    market_id: UUID
    now: datetime
    size: int
    progress: Callable[[int], None]
    after: UUID = FIRST


def silently(settled: int) -> None:
    """No progress is shown."""


def settle_market(
    *,
    market_id: UUID,
    now: datetime,
    retry: bool = False,
    size: int = BATCH,
    progress: Callable[[int], None] = silently,
) -> Summary:
    """Pays all bets on a market that is over, in batches of `size`, and says what has been paid by now.

    With `retry` the bets that were set aside are tried again. Raises MarketNotFound, MarketNotOver.
    """
    run = Run(market_id, now, size, progress)
    if retry:
        run_transaction(lambda: take_up_again(market_id))
    while settle_next(run):
        pass
    return summary(market_id)


def settle_ended_markets(*, now: datetime) -> dict[str, Any]:
    """Settles whatever is over and unsettled; returns the counts. A market that is busy waits for the next time.

    Raises MarketsUnsettled, once all others are settled, where one failed as a whole.
    """
    markets = [market_id for (market_id,) in fetch(sql.QUEUE, {})]
    counts = {"markets": 0, "bets": 0, "busy": 0}
    failed: list[UUID] = []

    def count(settled: int) -> None:
        counts["bets"] += settled

    for market_id in markets:
        try:
            done = settle_if_over(market_id=market_id, now=now, progress=count)
        except Exception:
            # Whatever it is: those behind it are owed, too, and its turn comes again in a minute. The run fails for it.
            logger.exception("market %s couldn't be settled", market_id)
            failed.append(market_id)
        else:
            counts["markets" if done else "busy"] += 1
    if failed:
        raise MarketsUnsettled(f"{len(failed)} markets couldn't be settled: {', '.join(map(str, failed[:EXAMPLES]))}")
    return counts


def settle_if_over(*, market_id: UUID, now: datetime, progress: Callable[[int], None] = silently) -> bool:
    """Settles the market, unless it isn't over (any more) or is busy: then the next sweep does."""
    try:
        settle_market(market_id=market_id, now=now, progress=progress)
    except MarketNotOver:
        logger.info("market %s isn't over", market_id)
        return False
    except OperationalError as exc:
        if state_of(exc) not in COLLISIONS:
            raise
        logger.warning("market %s is busy: %s", market_id, exc)
        return False
    return True


def settle_next(run: Run) -> bool:
    """Settles the next batch; whether there may be more."""
    try:
        settled = run_transaction(lambda: settle_batch(run))
    except BatchRefused as refused:
        find_refused(run, refused)
        return True
    run.progress(len(settled))
    if is_last(run, settled):
        return False
    run.after = settled[-1]
    return True


def find_refused(run: Run, refused: BatchRefused) -> None:
    """Settles the halves of what was refused as a whole, and theirs, until those that can't be settled are found."""
    bets = refused.bets
    if len(bets) == 1:
        run_transaction(lambda: set_aside(run, bets[0], refused.__cause__))
        return
    middle = len(bets) // 2
    for half in (bets[:middle], bets[middle:]):
        try:
            run.progress(len(run_transaction(lambda half=half: settle_batch(run, half))))  # type: ignore[misc]
        except BatchRefused as part:
            find_refused(run, part)


def settle_batch(run: Run, bets: list[UUID] | None = None) -> list[UUID]:
    """The next pending bets, or those given where they are still pending; returns them.

    Finishes the settlement with its last bets. Inside the caller's transaction; raises BatchRefused to undo it.
    """
    resolution = lock_market(run.market_id)
    settlement_id = settlement_in_force(run, resolution)
    chosen = next_bets(run) if bets is None else bets
    facts = {"market_id": run.market_id, "settlement_id": settlement_id, "now": run.now}
    if chosen:
        pay(chosen, facts | {"resolution": resolution, "bets": chosen})
    if bets is None and is_last(run, chosen):
        execute(sql.FINISH, facts)
    return chosen


def lock_market(market_id: UUID) -> str:
    """The resolution of a market that is over, where until the transaction ends nobody sells, settles or reverses.

    Raises MarketNotFound, MarketNotOver.
    """
    require_transaction("lock_market")
    rows = fetch(sql.LOCK_MARKET, {"market_id": market_id})
    if not rows:
        raise MarketNotFound
    ((status, resolution),) = rows
    if status not in OVER:
        raise MarketNotOver
    return str(resolution)


def settlement_in_force(run: Run, resolution: str) -> UUID:
    """The settlement's row, which is made by the first batch. The market is locked."""
    facts = {"market_id": run.market_id, "resolution": resolution, "now": run.now}
    rows = fetch(sql.IN_FORCE, facts) or fetch(sql.BEGIN, facts)
    settlement_id: UUID = rows[0][0]
    return settlement_id


def next_bets(run: Run) -> list[UUID]:
    """Behind those that are done; where none are left, from the first on: a bet may be pending again."""
    bets = search_bets(run, run.after)
    return bets if bets or run.after == FIRST else search_bets(run, FIRST)


def search_bets(run: Run, after: UUID) -> list[UUID]:
    facts = {"market_id": run.market_id, "after": after, "size": run.size}
    return [bet_id for (bet_id,) in fetch(sql.NEXT, facts)]


def is_last(run: Run, bets: list[UUID]) -> bool:
    """Whether no bet is left, seeing the batch that was found."""
    return not bets or (run.after == FIRST and len(bets) < run.size)


def pay(bets: list[UUID], facts: dict[str, Any]) -> None:
    try:
        ledger.post_from(sql.TRANSFERS, parameters=facts, also=sql.RECORD, now=facts["now"])
    except REFUSALS as exc:
        raise BatchRefused(bets) from exc


def set_aside(run: Run, bet_id: UUID, cause: BaseException | None) -> None:
    """Has the others go on without this bet, and staff see it."""
    lock_market(run.market_id)
    error = f"{type(cause).__name__}: {cause}".replace("\x00", "?")[:MAX_ERROR_LETTERS]
    execute(sql.SET_ASIDE, {"bet_id": bet_id, "error": error, "now": run.now})
    logger.error("bet %s can't be settled and is set aside: %s", bet_id, error)


def take_up_again(market_id: UUID) -> None:
    lock_market(market_id)
    execute(sql.TAKE_UP_AGAIN, {"market_id": market_id})


def summary(market_id: UUID) -> Summary:
    ((*figures,),) = fetch(sql.SUMMARY, {"market_id": market_id})
    return Summary(*figures)


def execute(statement: str, parameters: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
