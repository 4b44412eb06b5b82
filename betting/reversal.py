"""Undoing the settlement of a market that was resolved wrongly, as staff decide.

What was paid is taken back, all in one transaction: it is rare, and nobody must see half of it. Where a user hasn't
enough left, the house lends the rest, so that no balance is ever negative; later credits repay it (docs/ledger.md).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from accounts.models import User
from accounts.staff import StaffMember
from betting import reversal_sql as sql
from betting.settlement import execute, fetch, lock_market
from economy import ledger
from markets.verdicts import reopen_for_reversal
from thisthat.common.errors import DomainError
from thisthat.common.transactions import run_transaction

PREVIEW_LIMIT = 200
MAX_REASON_LETTERS = 500


class NotStaff(DomainError):
    code = "not_staff"
    status = 403
    message = "Only staff may undo a settlement."


class ReasonTooLong(DomainError):
    code = "reason_too_long"
    message = f"Say why in {MAX_REASON_LETTERS} letters."


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
    """Journal rows written, and users whose bets are open again."""

    transfers: int
    users: int


def preview_reversal(*, market_id: UUID) -> Preview:
    """For staff, before they confirm. Nothing is locked: it is as good as the moment."""
    facts = {"market_id": market_id, "limit": PREVIEW_LIMIT}
    ((bets, users, taken, debt, debtors),) = fetch(sql.PREVIEW_TOTALS, facts)
    return Preview(bets, users, taken, debt, debtors, [Taking(*row) for row in fetch(sql.PREVIEW, facts)])


def reverse_settlement(*, market_id: UUID, staff: User, reason: str, now: datetime) -> Reversed:
    """Takes back what was paid, has the bets pending again, and the market closed until it is resolved anew.

    Raises NotStaff, ReasonMissing, ReasonTooLong, MarketNotFound, MarketNotOver.
    """
    if not staff.is_staff:
        raise NotStaff
    if len(reason) > MAX_REASON_LETTERS:
        raise ReasonTooLong
    facts = {"market_id": market_id, "staff_id": staff.pk, "reason": reason, "now": now}

    def act() -> Reversed:
        lock_market(market_id)
        reopen_for_reversal(market_id=market_id, by=StaffMember(staff), reason=reason, now=now)
        return take_back(facts)

    return run_transaction(act)


def take_back(facts: dict[str, Any]) -> Reversed:
    fetch(sql.LOCK_USERS, facts)
    batch = ledger.post_from(sql.TRANSFERS, parameters=facts, now=facts["now"])
    execute(sql.REOPEN_BETS, facts)
    execute(sql.RECORD, facts)
    return Reversed(batch.transfers, batch.users)
