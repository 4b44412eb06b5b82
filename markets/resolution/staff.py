"""What staff decide about a market, each with a reason that is kept as evidence, and among what staff did.

The market's row is locked exclusively: no bet slips in, and neither the task nor a second person decides beside it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.api.errors import DomainError
from core.db.transactions import require_transaction, run_transaction
from markets.models import Market, MarketResolution
from markets.resolution import records as evidence
from markets.resolution.records import Conclusion

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


def close_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Takes no more bets; how it ended is told later.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchMarket, NotPossibleNow.
    """
    return decide("close_market", CLOSING, market_id, by=by, reason=reason, now=now)


def resolve_market(*, market_id: UUID, outcome: str, by: StaffMember, reason: str, now: datetime) -> Market:
    """`outcome`: this, that or invalid. Raises UnknownOutcome, and what closing raises."""
    if outcome not in RESULTS:
        raise UnknownOutcome
    return decide("resolve_market", RESULTS[outcome], market_id, by=by, reason=reason, now=now)


def void_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Cancels it: what is at stake goes back. Raises what closing raises."""
    return decide("void_market", VOIDING, market_id, by=by, reason=reason, now=now)


def reopen_for_reversal(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """A resolved or cancelled market becomes closed, inside the transaction of whoever undoes its settlement.

    The caller has asked whether they may, and keeps the record. The result that was undone isn't taken from Polymarket
    again: staff decide, or another result does. Raises NoSuchMarket, NotPossibleNow, ReasonMissing.
    """
    require_transaction("reopen_for_reversal")
    return rule(REOPENING, lock_market(market_id, REOPENING.allowed), by=by, reason=validate_reason(reason), now=now)


def decide(action: str, ruling: Ruling, market_id: UUID, *, by: StaffMember, reason: str, now: datetime) -> Market:
    by.require(Permission.DECIDE_MARKETS)
    reason = validate_reason(reason)

    def act() -> Market:
        market = lock_market(market_id, ruling.allowed)
        before = state_of(market)
        rule(ruling, market, by=by, reason=reason, now=now)
        record_action(action, by=by, target=market, reason=reason, before=before, after=state_of(market), now=now)
        return market

    return run_transaction(act)


def state_of(market: Market) -> dict[str, str | None]:
    return {"status": str(market.status), "resolution": market.resolution and str(market.resolution)}


def rule(ruling: Ruling, market: Market, *, by: StaffMember, reason: str, now: datetime) -> Market:
    facts = {"undone": market.resolution} if market.resolution else {}
    market.status, market.resolution = ruling.status, ruling.resolution
    market.resolved_at = now if ruling.resolution else None
    market.updated_at = now
    market.save(update_fields=["status", "resolution", "resolved_at", "updated_at"])
    conclusion = Conclusion(market.id, ruling.decision, reason, facts)
    evidence.add([conclusion], source=MarketResolution.Source.STAFF, staff=by.user, now=now)
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
