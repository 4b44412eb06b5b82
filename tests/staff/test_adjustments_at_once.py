"""The same form sent by two clicks at once, and a limit that is tried from many browsers at once."""

from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.staff import StaffMember
from economy import adjustments
from economy.adjustments import AdjustmentRequest
from economy.errors import AlreadyDecided
from economy.ledger.audit import audit
from economy.models import CreditAdjustment
from tests.concurrently import all_at_once
from tests.economy.factories import NOW, make_user
from tests.staff.pages import balance

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 6


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


def asked(user, amount, request_id=None):
    return AdjustmentRequest(
        user_id=user.pk, amount=Decimal(amount), reason="Why not.", request_id=request_id or uuid4()
    )


def test_a_form_sent_by_many_clicks_at_once_gives_once(boss, ann):
    form = asked(ann, 100)
    rows = all_at_once(lambda: adjustments.adjust_credits(form, by=StaffMember(boss), now=NOW), TIMES)
    assert len({row.pk for row in rows}) == 1
    assert balance(ann) == 1_100
    assert audit().passed


def test_parts_that_are_sent_at_once_do_not_pass_the_limit(boss, ann):
    def part():
        return adjustments.adjust_credits(asked(ann, 4_000), by=StaffMember(boss), now=NOW).status

    assert sorted(all_at_once(part, TIMES)) == ["applied"] * 2 + ["pending"] * 4
    assert balance(ann) == 9_000


def test_many_who_approve_at_once_give_once(boss, member, ann):
    waiting = adjustments.adjust_credits(asked(ann, 20_000), by=StaffMember(boss), now=NOW)
    others = iter([member(f"other_{number}", superuser=True) for number in range(TIMES)])

    def approve():
        by = StaffMember(next(others))
        given = {"adjustment_id": waiting.pk, "approve": True, "reason": "Fine.", "now": NOW}
        try:
            return adjustments.decide_adjustment(by=by, **given).status
        except AlreadyDecided:
            return "late"

    assert sorted(all_at_once(approve, TIMES)) == ["approved"] + ["late"] * (TIMES - 1)
    assert balance(ann) == 21_000
    assert CreditAdjustment.objects.exclude(decided_by=None).count() == 1
