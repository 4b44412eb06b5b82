"""Settlement: paying the bets on markets that are over, retrying those that failed, and a preview for staff.

A market that is over with pending bets is the queue; nothing else remembers what is to be done. Each batch is a durable
transaction: it locks the market, takes the next pending bets, moves the credits, and settles the bets. Whatever is
killed goes on there later; who comes at the same time waits for the market and finds the next batch. What a bet is
paid is said once, in OUTCOMES, for the ledger as for the bet. `betting.reversal` undoes a settlement.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from betting.errors import MarketNotFound, MarketNotOver, MarketsUnsettled
from betting.models import SettlementFailure
from betting.rules import PREVIEW_LIMIT
from core.api.json import dumps
from core.db.sql import execute, fetch_all, fetch_value
from core.db.transactions import COLLISIONS, require_transaction, run_transaction, sqlstate_of
from core.events import log_event, short
from economy import ledger
from economy.errors import AlreadyPosted, InsufficientCredits, UnknownUser
from economy.ledger.house import post_subsidy_return
from markets.models import Market
from markets.resolution.records import send_market_ended
from markets.resolution.staff import OVER

logger = logging.getLogger(__name__)
BATCH = 5_000
# What is wrong with one bet or one user for good: that bet's settlement fails. Anything else stops the run.
REFUSALS = (IntegrityError, DataError, InsufficientCredits, AlreadyPosted, UnknownUser)
MAX_ERROR_LETTERS = 500
EXAMPLES = 20
FIRST = UUID(int=0)

# What each pending bet of a market pays: the shares that are open, 1 credit each, as the constraint
# bets_status_and_outcome has it. What a 50-50 market pays (resolution invalid) is said here and in that constraint,
# nowhere else.
#
# Of a market maker's stakes what sales brought is gone, up to the subsidy and no further: where there is less left than
# the stakes, each gets its part of it.
REFUND = """CASE WHEN on_curve THEN trunc((amount - sold_amount)
        * (SELECT least(subsidy + collected, open_stake) FROM market_makers AS maker
            WHERE maker.market_id = %(market_id)s)
        / (SELECT open_stake FROM market_makers AS maker WHERE maker.market_id = %(market_id)s), 2)
    ELSE amount - sold_amount END"""
OUTCOMES = f"""
SELECT id, user_id, settlement_count, amount - sold_amount AS stake,
    CASE WHEN %(resolution)s = 'invalid' THEN {REFUND}
        WHEN side = %(resolution)s THEN shares - sold_shares ELSE 0::numeric END AS payout
FROM bets WHERE market_id = %(market_id)s AND status = 'pending'
"""  # noqa: S608 - constants of this module
TRANSFERS = f"""
SELECT row_number() OVER (ORDER BY id)::integer AS place, user_id, payout AS amount,
    CASE %(resolution)s WHEN 'invalid' THEN 'bet_refund' ELSE 'bet_payout' END AS transaction_type,
    'escrow' AS counterparty, id AS reference_id, settlement_count AS occurrence, -stake AS staked,
    CASE %(resolution)s WHEN 'invalid' THEN 'Stake returned' ELSE 'Bet won' END AS description
FROM ({OUTCOMES} AND id = ANY(%(bets)s::uuid[])) AS settled
"""  # noqa: S608 - constants of this module
# In the ledger's own statement: settles the bets with what was computed for the ledger, and counts them.
SETTLE_BETS = """
settled AS (
    UPDATE bets SET actual_payout = running.amount, resolved_at = %(now)s, settlement_count = settlement_count + 1,
        status = CASE WHEN %(resolution)s = 'invalid' THEN 'cancelled' WHEN side = %(resolution)s THEN 'won'
            ELSE 'lost' END
    FROM running WHERE bets.id = running.reference_id
    RETURNING bets.status, bets.actual_payout
), counted AS (
    SELECT count(*) FILTER (WHERE status = 'won') AS won, count(*) FILTER (WHERE status = 'lost') AS lost,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'won'), 0) AS paid,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'cancelled'), 0) AS refunded
    FROM settled
), summed AS (
    UPDATE settlements SET won = settlements.won + counted.won, lost = settlements.lost + counted.lost,
        cancelled = settlements.cancelled + counted.cancelled, paid = settlements.paid + counted.paid,
        refunded = settlements.refunded + counted.refunded
    FROM counted WHERE settlements.id = %(settlement_id)s
)
"""

# In the same statement: what each bet's user is told. `about` is what the bets of a market have in common.
NOTIFICATIONS = """
SELECT id, user_id, turn, reference_id, occurrence,
    CASE WHEN %(resolution)s = 'invalid' THEN 'bet_refunded' WHEN amount > 0 THEN 'bet_won' ELSE 'bet_lost' END AS type,
    %(about)s::jsonb || jsonb_build_object('betId', reference_id, 'stake', -staked, 'payout', amount) AS data
FROM running
"""

LOCK_MARKET = "SELECT status, resolution FROM markets WHERE id = %(market_id)s FOR NO KEY UPDATE"
SETTLEMENT_IN_FORCE = """
SELECT id, resolution, finished_at FROM settlements WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""
BEGIN_SETTLEMENT = """
INSERT INTO settlements (id, market_id, generation, resolution, won, lost, cancelled, paid, refunded, started_at,
    reversal_reason)
SELECT new_id(), %(market_id)s, coalesce(max(generation) + 1, 0), %(resolution)s, 0, 0, 0, 0, 0, %(now)s, ''
FROM settlements WHERE market_id = %(market_id)s
RETURNING id
"""
NEXT_BETS = """
SELECT id FROM bets WHERE market_id = %(market_id)s AND status = 'pending' AND id > %(after)s
AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
ORDER BY id LIMIT %(size)s
"""
FINISH_SETTLEMENT = "UPDATE settlements SET finished_at = coalesce(finished_at, %(now)s) WHERE id = %(settlement_id)s"
# Of a market maker: what is in escrow for it and isn't owed to a failed settlement.
LEFT_IN_ESCROW = f"""
SELECT (SELECT coalesce(sum(amount), 0) FROM house_entries WHERE reference_id = %(market_id)s)
    + collected - settlements.paid - settlements.refunded - coalesce(owed, 0)
FROM market_makers AS maker JOIN settlements ON settlements.id = %(settlement_id)s
CROSS JOIN LATERAL (SELECT sum(payout) AS owed FROM ({OUTCOMES}) AS outcome) AS failed
WHERE maker.market_id = %(market_id)s
"""  # noqa: S608 - constants of this module
RECORD_FAILURE = """
INSERT INTO settlement_failures (bet_id, market_id, error, failed_at)
SELECT id, market_id, %(error)s, %(now)s FROM bets WHERE id = %(bet_id)s AND status = 'pending'
ON CONFLICT (bet_id) DO NOTHING
"""
CLEAR_FAILURES = """
WITH cleared AS (DELETE FROM settlement_failures WHERE market_id = %(market_id)s RETURNING bet_id)
UPDATE settlements SET finished_at = NULL
WHERE market_id = %(market_id)s AND reversed_at IS NULL AND EXISTS (SELECT FROM cleared)
"""

# Markets that are over and have bets to settle, a settlement to finish, or a subsidy to return. A loose index scan: one
# look-up a market with open bets, however many bets there are.
QUEUE = """
WITH RECURSIVE open AS (
    (SELECT market_id FROM bets WHERE status = 'pending' ORDER BY market_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT bets.market_id FROM bets WHERE status = 'pending' AND bets.market_id > open.market_id
        ORDER BY bets.market_id LIMIT 1
    ) FROM open WHERE open.market_id IS NOT NULL
)
SELECT markets.id FROM markets
WHERE id IN (SELECT market_id FROM open) AND status IN ('resolved', 'cancelled') AND EXISTS (
    SELECT FROM bets WHERE market_id = markets.id AND status = 'pending'
    AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
)
UNION
SELECT markets.id FROM settlements JOIN markets ON markets.id = market_id
WHERE finished_at IS NULL AND reversed_at IS NULL AND status IN ('resolved', 'cancelled')
UNION
SELECT markets.id FROM market_makers JOIN markets ON markets.id = market_id
WHERE status IN ('resolved', 'cancelled')
AND NOT EXISTS (SELECT FROM settlements WHERE market_id = markets.id AND reversed_at IS NULL)
ORDER BY id
"""
SUMMARY = """
SELECT generation, resolution, won, lost, cancelled, paid, refunded,
    (SELECT count(*) FROM settlement_failures WHERE market_id = settlements.market_id), started_at, finished_at
FROM settlements WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""


class BatchRefused(Exception):
    """At least one of these bets can't be settled; nothing of the batch happened."""

    def __init__(self, bets: list[UUID]) -> None:
        super().__init__(f"{len(bets)} bets")
        self.bets = bets


@dataclass(frozen=True, slots=True)
class SettlementSummary:
    """What the settlement in force has done so far: numbers of bets, and credits. `failed`: failed settlements."""

    generation: int
    resolution: str
    won: int
    lost: int
    cancelled: int
    paid: Decimal
    refunded: Decimal
    failed: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class Run:
    """A market's settlement by this process; `progress` is called with how many bets each transaction settled.

    `after`: the last bet that it settled. The next are looked for behind it, and not among those that are done.
    """

    market_id: UUID
    now: datetime
    size: int
    progress: Callable[[int], None]
    after: UUID = FIRST
    settled: int = 0

    def count(self, settled: int) -> None:
        self.settled += settled
        self.progress(settled)


# -- Settling


def no_progress(settled: int) -> None:
    """Show nothing."""


def settle_market(
    *,
    market_id: UUID,
    now: datetime,
    retry: bool = False,
    size: int = BATCH,
    progress: Callable[[int], None] = no_progress,
) -> SettlementSummary:
    """Pay all bets on a market that is over, in batches of `size`, and return what has been paid by now.

    With `retry` failed settlements are tried again. Raises MarketNotFound, MarketNotOver.
    """
    run = Run(market_id, now, size, progress)
    if retry:
        run_transaction(lambda: clear_failures(market_id))
    while settle_next_batch(run):
        pass
    summary = get_summary(market_id)
    if run.settled or summary.started_at == now:
        log_settlement(market_id, summary)
    return summary


def log_settlement(market_id: UUID, summary: SettlementSummary) -> None:
    market = Market.objects.only("title", "resolution").get(pk=market_id)
    bets, paid = summary.won + summary.lost + summary.cancelled, summary.paid + summary.refunded
    outcome = f"{bets} bet{'s' * (bets > 1)} paid {paid}" if bets else "no bets"
    facts = {"marketId": market_id, "bets": bets, "paid": paid, "failed": summary.failed}
    log_event("market %s resolved %s: %s", short(market.title), summary.resolution.upper(), outcome, **facts)


def settle_ended_markets(*, now: datetime) -> dict[str, Any]:
    """Settle whatever is over and unsettled, and return the counts. A market that is busy waits for the next time.

    Raises MarketsUnsettled, once all others are settled, where one failed as a whole.
    """
    markets = [market_id for (market_id,) in fetch_all(QUEUE, {})]
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


def settle_if_over(*, market_id: UUID, now: datetime, progress: Callable[[int], None] = no_progress) -> bool:
    """Settle the market and return True; False where it isn't over (any more) or is busy: then the next sweep does."""
    try:
        settle_market(market_id=market_id, now=now, progress=progress)
    except MarketNotOver:
        logger.info("market %s isn't over", market_id)
        return False
    except OperationalError as exc:
        if sqlstate_of(exc) not in COLLISIONS:
            raise
        logger.warning("market %s is busy: %s", market_id, exc)
        return False
    return True


def settle_next_batch(run: Run) -> bool:
    """Settle the next batch; return whether there may be more."""
    try:
        settled = run_transaction(lambda: settle_batch(run))
    except BatchRefused as refused:
        isolate_failures(run, refused)
        return True
    run.count(len(settled))
    if is_last(run, settled):
        return False
    run.after = settled[-1]
    return True


def isolate_failures(run: Run, refused: BatchRefused) -> None:
    """Settle the halves of what was refused as a whole, and theirs, until the bets that can't be settled are found."""
    bets = refused.bets
    if len(bets) == 1:
        run_transaction(lambda: record_failure(run, bets[0], refused.__cause__))
        return
    middle = len(bets) // 2
    for half in (bets[:middle], bets[middle:]):
        try:
            run.count(len(run_transaction(lambda half=half: settle_batch(run, half))))  # type: ignore[misc]
        except BatchRefused as part:
            isolate_failures(run, part)


def settle_batch(run: Run, bets: list[UUID] | None = None) -> list[UUID]:
    """Settle the next pending bets, or those given where they are still pending; return them.

    Finishes the settlement with its last bets. Inside the caller's transaction; raises BatchRefused to undo it.
    """
    resolution = lock_ended_market(run.market_id)
    settlement_id = get_or_begin_settlement(run, resolution)
    chosen = next_bets(run) if bets is None else bets
    facts = {"market_id": run.market_id, "settlement_id": settlement_id, "now": run.now}
    if chosen:
        pay_bets(chosen, facts | {"resolution": resolution, "bets": chosen, "about": describe_market(run.market_id)})
    if bets is None and is_last(run, chosen):
        return_subsidy(facts | {"resolution": resolution})
        execute(FINISH_SETTLEMENT, facts)
    return chosen


def return_subsidy(facts: dict[str, Any]) -> None:
    """Move what is left in escrow of a market maker to the house; nothing where the market has none."""
    left = fetch_value(LEFT_IN_ESCROW, facts)
    if left is not None and left > 0:
        post_subsidy_return(market_id=facts["market_id"], amount=left, now=facts["now"])


def lock_ended_market(market_id: UUID) -> str:
    """Return the resolution of a market that is over; until the transaction ends nobody sells, settles or reverses.

    Raises MarketNotFound, MarketNotOver.
    """
    require_transaction("lock_ended_market")
    rows = fetch_all(LOCK_MARKET, {"market_id": market_id})
    if not rows:
        raise MarketNotFound
    ((status, resolution),) = rows
    if status not in OVER:
        raise MarketNotOver
    return str(resolution)


def describe_market(market_id: UUID) -> str:
    """Return what notifications say of a market that is over, as JSON; `outcome` is null where neither side won."""
    market = Market.objects.only("title", "resolution", "this_option", "that_option").get(pk=market_id)
    outcome = {"this": market.this_option, "that": market.that_option}.get(market.resolution or "")
    return dumps({"marketId": market_id, "marketTitle": market.title, "outcome": outcome}).decode()


def get_or_begin_settlement(run: Run, resolution: str) -> UUID:
    """Return the id of the settlement in force, whose row the first batch makes. The market is locked."""
    facts = {"market_id": run.market_id, "resolution": resolution, "now": run.now}
    rows = fetch_all(SETTLEMENT_IN_FORCE, facts) or fetch_all(BEGIN_SETTLEMENT, facts)
    settlement_id: UUID = rows[0][0]
    return settlement_id


def next_bets(run: Run) -> list[UUID]:
    """Return bets behind those that are done; where none are left, from the first on: a bet may be pending again."""
    bets = find_bets(run, run.after)
    return bets if bets or run.after == FIRST else find_bets(run, FIRST)


def find_bets(run: Run, after: UUID) -> list[UUID]:
    facts = {"market_id": run.market_id, "after": after, "size": run.size}
    return [bet_id for (bet_id,) in fetch_all(NEXT_BETS, facts)]


def is_last(run: Run, bets: list[UUID]) -> bool:
    """Return whether no bet is left after this batch."""
    return not bets or (run.after == FIRST and len(bets) < run.size)


def pay_bets(bets: list[UUID], facts: dict[str, Any]) -> None:
    try:
        ledger.post_from(
            TRANSFERS,
            parameters=facts,
            more=ledger.MoreOfStatement(also=SETTLE_BETS, notifications=NOTIFICATIONS),
            now=facts["now"],
        )
    except REFUSALS as exc:
        raise BatchRefused(bets) from exc


def get_summary(market_id: UUID) -> SettlementSummary:
    """Return what the settlement in force has done. Raises MarketNotOver where it was reversed meanwhile."""
    rows = fetch_all(SUMMARY, {"market_id": market_id})
    if not rows:
        raise MarketNotOver
    return SettlementSummary(*rows[0])


# -- Failed settlements and their retry


def record_failure(run: Run, bet_id: UUID, cause: BaseException | None) -> None:
    """Record a bet that can't be settled, so that the others are paid and staff see it."""
    lock_ended_market(run.market_id)
    error = f"{type(cause).__name__}: {cause}".replace("\x00", "?")[:MAX_ERROR_LETTERS]
    execute(RECORD_FAILURE, {"bet_id": bet_id, "error": error, "now": run.now})
    logger.error("bet %s can't be settled: %s", bet_id, error)


def clear_failures(market_id: UUID) -> None:
    """Make the market's failed settlements pending ones again. Raises MarketNotFound, MarketNotOver."""
    lock_ended_market(market_id)
    execute(CLEAR_FAILURES, {"market_id": market_id})


def retry_settlement(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> int:
    """Have the market settled as soon as there is a worker; return how many failed settlements are tried again.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, MarketNotOver.
    """
    by.require(Permission.DECIDE_MARKETS)
    reason = validate_reason(reason)

    def act() -> int:
        failures = SettlementFailure.objects.filter(market_id=market_id).count()
        clear_failures(market_id)
        before, after = {"failed_settlements": failures}, {"failed_settlements": 0}
        target = Market(pk=market_id)
        record_action("settle_market", by=by, target=target, reason=reason, before=before, after=after, now=now)
        send_market_ended(market_id)
        return failures

    return run_transaction(act)


# -- Preview


PREVIEW_TOTALS = f"""
SELECT count(*), count(DISTINCT user_id), coalesce(sum(stake), 0), coalesce(sum(payout), 0)
FROM ({OUTCOMES}) AS outcome
"""  # noqa: S608 - constants of this module
# By user, those who would get most first.
PREVIEW_RECEIVERS = f"""
SELECT user_id, username, bets, payout FROM (
    SELECT user_id, count(*) AS bets, sum(payout) AS payout FROM ({OUTCOMES}) AS outcome WHERE payout > 0
    GROUP BY user_id ORDER BY payout DESC, user_id LIMIT %(limit)s
) AS receivers JOIN users ON users.id = user_id ORDER BY payout DESC, user_id
"""  # noqa: S608 - constants of this module


class Receiver(NamedTuple):
    """What a user would get, in credits, for so many of the user's bets."""

    user_id: UUID
    username: str
    bets: int
    payout: Decimal


@dataclass(frozen=True, slots=True)
class SettlementPreview:
    """Of all open bets on the market, in credits. `receivers`: those who would get most first, up to a limit."""

    bets: int
    users: int
    stake: Decimal
    payout: Decimal
    receivers: list[Receiver]

    @property
    def house_gain(self) -> Decimal:
        """What the house would keep; below zero, what it would pay."""
        return self.stake - self.payout


def preview_settlement(
    *, market_id: UUID, outcome: Literal["this", "that", "invalid"], limit: int = PREVIEW_LIMIT
) -> SettlementPreview:
    """Return what a decision about the market would pay now. Nothing is locked. Raises MarketNotFound."""
    if not Market.objects.filter(pk=market_id).exists():
        raise MarketNotFound
    facts = {"market_id": market_id, "resolution": outcome, "limit": limit}
    ((bets, users, stake, payout),) = fetch_all(PREVIEW_TOTALS, facts)
    receivers = [Receiver(*row) for row in fetch_all(PREVIEW_RECEIVERS, facts)]
    return SettlementPreview(bets, users, stake, payout, receivers)
