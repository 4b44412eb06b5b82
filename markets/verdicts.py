"""What staff decide about a market, each with a reason that is kept as evidence.

The market's row is locked exclusively: no bet slips in, and neither the task nor a second person decides beside it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import User
from markets import evidence
from markets.evidence import Conclusion
from markets.models import Market, MarketResolution
from thisthat.common.errors import DomainError
from thisthat.common.transactions import require_transaction, run_transaction

Status, Resolution, Decision = Market.Status, Market.Resolution, MarketResolution.Decision
NOT_OVER = (Status.OPEN, Status.CLOSED)
OVER = (Status.RESOLVED, Status.CANCELLED)


class NoSuchMarket(DomainError):
    code = "market_not_found"
    status = 404
    message = "There is no such market."


class NotPossibleNow(DomainError):
    code = "market_status_conflict"
    status = 409
    message = "A market in this status can't be changed so."


class ReasonMissing(DomainError):
    code = "reason_required"
    message = "Say why: it is kept with the market."


class UnknownOutcome(DomainError):
    code = "unknown_outcome"
    message = "A market ends in this, that or invalid."


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a market becomes, and from which statuses."""

    status: Market.Status
    resolution: Market.Resolution | None
    decision: MarketResolution.Decision
    allowed: tuple[Market.Status, ...] = NOT_OVER


CLOSING = Ruling(Status.CLOSED, None, Decision.CLOSED, allowed=(Status.OPEN,))
VOIDING = Ruling(Status.CANCELLED, Resolution.INVALID, Decision.CANCELLED)
REOPENING = Ruling(Status.CLOSED, None, Decision.REOPENED, allowed=OVER)
RESULTS = {result.value: Ruling(Status.RESOLVED, result, Decision(result.value)) for result in Resolution}


def close_market(*, market_id: UUID, reason: str, staff: User | None, now: datetime) -> Market:
    """Takes no more bets; how it ended is told later. Raises NoSuchMarket, NotPossibleNow, ReasonMissing."""
    return run_transaction(lambda: rule(CLOSING, market_id, reason=reason, staff=staff, now=now))


def resolve_market(*, market_id: UUID, outcome: str, reason: str, staff: User | None, now: datetime) -> Market:
    """`outcome`: this, that or invalid. Raises UnknownOutcome, NoSuchMarket, NotPossibleNow, ReasonMissing."""
    if outcome not in RESULTS:
        raise UnknownOutcome
    return run_transaction(lambda: rule(RESULTS[outcome], market_id, reason=reason, staff=staff, now=now))


def void_market(*, market_id: UUID, reason: str, staff: User | None, now: datetime) -> Market:
    """Cancels it: what is at stake goes back. Raises NoSuchMarket, NotPossibleNow, ReasonMissing."""
    return run_transaction(lambda: rule(VOIDING, market_id, reason=reason, staff=staff, now=now))


def reopen_for_reversal(*, market_id: UUID, reason: str, staff: User | None, now: datetime) -> Market:
    """A resolved or cancelled market becomes closed, inside the transaction of whoever undoes its settlement.

    The result that was undone isn't taken from Polymarket again: staff decide, or another result does. Raises
    NoSuchMarket, NotPossibleNow, ReasonMissing.
    """
    return rule(REOPENING, market_id, reason=reason, staff=staff, now=now)


def rule(ruling: Ruling, market_id: UUID, *, reason: str, staff: User | None, now: datetime) -> Market:
    require_transaction("rule")
    if not reason.strip():
        raise ReasonMissing
    market = lock_market(market_id, ruling.allowed)
    facts = {"undone": market.resolution} if market.resolution else {}
    market.status, market.resolution = ruling.status, ruling.resolution
    market.resolved_at = now if ruling.resolution else None
    market.updated_at = now
    market.save(update_fields=["status", "resolution", "resolved_at", "updated_at"])
    conclusion = Conclusion(market.id, ruling.decision, reason.strip(), facts)
    evidence.add([conclusion], source=MarketResolution.Source.STAFF, staff=staff, now=now)
    if market.status in OVER:
        evidence.tell_of_end(market.id)
    return market


def lock_market(market_id: UUID, allowed: tuple[Market.Status, ...]) -> Market:
    """Exclusively, until the transaction ends. To be locked before any user."""
    market = Market.objects.select_for_update().defer("search").filter(pk=market_id).first()
    if market is None:
        raise NoSuchMarket
    if market.status not in allowed:
        raise NotPossibleNow(f"This market is {market.status}.")
    return market
