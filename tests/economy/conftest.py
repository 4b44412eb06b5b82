"""What the tests of the economy share: users, and the moment."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from accounts.models import User
from economy.ledger import audit
from tests.economy.factories import make_user

OWN = {"ledger_chain", "anchors", "staff_actions_chain", "settlements_chain"} | {
    *("chains", "owners", "balances", "locked", "expended", "volume", "profit", "referrals", "bonuses", "debts"),
}


@pytest.fixture(autouse=True)
def the_economy_alone() -> Iterator[None]:
    """The audit without what apps above added to it: their invariants have tests of their own."""
    invariants, positions = audit.INVARIANTS[:], dict(audit.POSITIONS)
    audit.INVARIANTS[:] = [invariant for invariant in invariants if invariant.name in OWN]
    audit.POSITIONS.clear()
    yield
    audit.INVARIANTS[:] = invariants
    audit.POSITIONS.update(positions)


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def ann(db) -> User:
    """Has 1,000 credits, given by staff."""
    return make_user("ann", balance=1000)


@pytest.fixture
def new_user(db) -> Callable[..., User]:
    return make_user
