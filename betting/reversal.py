"""Undoing the settlement of a market that was resolved wrongly, as staff decide.

What was paid is taken back, all in one transaction: it is rare, and nobody must see half of it. Where a user hasn't
enough left, the house lends the rest, so that no balance is ever negative; later credits repay it (docs/ledger.md).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, checked_reason, record_action
from betting import reversal_sql as sql
from betting.settlement import execute, fetch, lock_market
from core.db.transactions import run_transaction
from economy import ledger
from markets.models import Market
from markets.resolution.staff import reopen_for_reversal, state_of

PREVIEW_LIMIT = 200


class Taking(NamedTuple):
    """What a reversal takes from a user, in credits; `debt` is what the user hasn't got."""

    user_id: UUID
    username: str
    bets: int
    taken: Decimal
    available: Decimal
    debt: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reversal would do now. `takings`: those who would owe most first, up to PREVIEW_LIMIT."""

    bets: int
    users: int
    taken: Decimal
    debt: Decimal
    debtors: int
    takings: list[Taking]


@dataclass(frozen=True, slots=True)
class Reversed:
    """What was undone: bets that are open again, and credits taken for them; `debt` of these is owed now."""

    bets: int
    users: int
    taken: Decimal
    debt: Decimal


def preview_reversal(*, market_id: UUID) -> Preview:
    """For staff, before they confirm. Nothing is locked: it is as good as the moment."""
    facts = {"market_id": market_id, "limit": PREVIEW_LIMIT}
    ((bets, users, taken, debt, debtors),) = fetch(sql.PREVIEW_TOTALS, facts)
    return Preview(bets, users, taken, debt, debtors, [Taking(*row) for row in fetch(sql.PREVIEW, facts)])


def reverse_settlement(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Reversed:
    """Takes back what was paid, has the bets pending again, and the market closed until it is resolved anew.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, MarketNotOver.
    """
    by.require(Permission.REVERSE_MARKETS)
    reason = checked_reason(reason)

    def act() -> Reversed:
        lock_market(market_id)
        before = state_of(Market.objects.only("status", "resolution").get(pk=market_id))
        market = reopen_for_reversal(market_id=market_id, by=by, reason=reason, now=now)
        done = take_back({"market_id": market_id, "staff_id": by.user and by.user.pk, "reason": reason, "now": now})
        after = {**state_of(market), "bets": done.bets, "users": done.users, "taken": done.taken, "debt": done.debt}
        record_action("reverse_market", by=by, target=market, reason=reason, before=before, after=after, now=now)
        return done

    return run_transaction(act)


def take_back(facts: dict[str, Any]) -> Reversed:
    """The market is locked; so are the users, before what they have is looked at."""
    fetch(sql.LOCK_USERS, facts)
    ((bets, users, taken, debt, _),) = fetch(sql.PREVIEW_TOTALS, facts)
    ledger.post_from(sql.TRANSFERS, parameters=facts, now=facts["now"])
    execute(sql.REOPEN_BETS, facts)
    execute(sql.RECORD, facts)
    return Reversed(bets, users, taken, debt)
