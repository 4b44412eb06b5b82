"""Staff have a market settled now, the bets that were set aside among them."""

from datetime import datetime
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, checked_reason, record_action
from betting.models import SettlementFailure
from betting.settlement import take_up_again
from core.db.transactions import run_transaction
from markets.models import Market
from markets.resolution.records import tell_of_end


def settle_again(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> int:
    """Has the market settled as soon as there is a worker; how many bets that were set aside are tried again.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, MarketNotOver.
    """
    by.require(Permission.DECIDE_MARKETS)
    reason = checked_reason(reason)

    def act() -> int:
        failures = SettlementFailure.objects.filter(market_id=market_id).count()
        take_up_again(market_id)
        before, after = {"set_aside": failures}, {"set_aside": 0}
        target = Market(pk=market_id)
        record_action("settle_market", by=by, target=target, reason=reason, before=before, after=after, now=now)
        tell_of_end(market_id)
        return failures

    return run_transaction(act)
