"""Staff decisions about markets, each with a reason that is kept in a resolution record and among the staff actions.

The market's row is locked exclusively: no bet slips in, and neither the job nor another member of staff decides beside.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.db.transactions import require_transaction, run_transaction
from markets.changes import publish_markets
from markets.errors import MarketNotFound, MarketStatusConflict, UnknownOutcome
from markets.models import Market, MarketResolution
from markets.resolution.records import Record, add_records, send_market_ended

Status, Resolution, Decision = Market.Status, Market.Resolution, MarketResolution.Decision
NOT_OVER = (Status.OPEN, Status.CLOSED)
OVER = (Status.RESOLVED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class StaffDecision:
    """What a market becomes, and from which statuses."""

    status: Market.Status
    resolution: Market.Resolution | None
    decision: MarketResolution.Decision
    allowed: tuple[Market.Status, ...] = NOT_OVER


CLOSING = StaffDecision(Status.CLOSED, None, Decision.CLOSED, allowed=(Status.OPEN,))
OPENING = StaffDecision(Status.OPEN, None, Decision.OPEN, allowed=(Status.CLOSED,))
VOIDING = StaffDecision(Status.CANCELLED, Resolution.INVALID, Decision.CANCELLED)
REOPENING = StaffDecision(Status.CLOSED, None, Decision.REOPENED, allowed=OVER)
RESULTS = {result.value: StaffDecision(Status.RESOLVED, result, Decision(result.value)) for result in Resolution}


def close_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Close an open market: it takes no more bets, and is resolved later.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, MarketStatusConflict.
    """
    return decide("close_market", CLOSING, market_id, by=by, reason=reason, now=now)


def open_market_again(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Open a market again that staff closed, not one that closed upstream or whose result was undone.

    Raises what `close_market` raises.
    """
    return decide("open_market_again", OPENING, market_id, by=by, reason=reason, now=now)


def closed_by_staff(market: Market) -> bool:
    """Return whether staff closed the market, by the newest of their records."""
    newest = MarketResolution.objects.filter(market=market, source=MarketResolution.Source.STAFF).order_by("-id")
    return newest.values_list("decision", flat=True).first() == Decision.CLOSED


def resolve_market(*, market_id: UUID, outcome: str, by: StaffMember, reason: str, now: datetime) -> Market:
    """Resolve a market; `outcome` is this, that or invalid. Raises UnknownOutcome, and what `close_market` raises."""
    if outcome not in RESULTS:
        raise UnknownOutcome
    return decide("resolve_market", RESULTS[outcome], market_id, by=by, reason=reason, now=now)


def void_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Cancel a market: stakes go back. Raises what `close_market` raises."""
    return decide("void_market", VOIDING, market_id, by=by, reason=reason, now=now)


def reopen_for_reversal(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Close a resolved or cancelled market again, inside the transaction that reverses its settlement.

    The caller has checked the permission, and records the staff action. The result that was undone isn't taken from
    Polymarket again: staff decide, or another result comes. Raises MarketNotFound, MarketStatusConflict, ReasonMissing.
    """
    require_transaction("reopen_for_reversal")
    return apply_decision(
        REOPENING, lock_market(market_id, REOPENING.allowed), by=by, reason=validate_reason(reason), now=now
    )


def decide(
    action: str, decision: StaffDecision, market_id: UUID, *, by: StaffMember, reason: str, now: datetime
) -> Market:
    by.require(Permission.DECIDE_MARKETS)
    reason = validate_reason(reason)

    def act() -> Market:
        market = lock_market(market_id, decision.allowed)
        if decision is OPENING and not closed_by_staff(market):
            raise MarketStatusConflict("It isn't staff who closed this market last.")
        before = market_state(market)
        apply_decision(decision, market, by=by, reason=reason, now=now)
        record_action(action, by=by, target=market, reason=reason, before=before, after=market_state(market), now=now)
        return market

    return run_transaction(act)


def market_state(market: Market) -> dict[str, str | None]:
    """Return what the record of a staff action keeps of a market, before and after."""
    return {"status": str(market.status), "resolution": market.resolution and str(market.resolution)}


def apply_decision(decision: StaffDecision, market: Market, *, by: StaffMember, reason: str, now: datetime) -> Market:
    facts = {"undone": market.resolution} if market.resolution else {}
    market.status, market.resolution = decision.status, decision.resolution
    market.resolved_at = now if decision.resolution else None
    market.updated_at = now
    market.save(update_fields=["status", "resolution", "resolved_at", "updated_at"])
    record = Record(market.id, decision.decision, reason, facts)
    add_records([record], source=MarketResolution.Source.STAFF, staff=by.user, now=now)
    publish_markets([market.id])
    if market.status in OVER:
        send_market_ended(market.id)
    return market


def lock_market(market_id: UUID, allowed: tuple[Market.Status, ...]) -> Market:
    """Return the market, locked exclusively until the transaction ends. To be locked before any user."""
    market = Market.objects.select_for_update().defer("search").filter(pk=market_id).first()
    if market is None:
        raise MarketNotFound
    if market.status not in allowed:
        raise MarketStatusConflict(f"This market is {market.status}.")
    return market
