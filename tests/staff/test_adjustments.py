"""Staff give and take credits: through the ledger, for a reason, and no more than a limit without a second of them."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.staff import COMMAND_LINE, StaffMember
from economy import adjustments, rules
from economy.adjustments import AdjustmentRequest, adjust_credits
from economy.errors import SecondPersonNeeded
from economy.ledger.audit import audit
from economy.models import CreditAdjustment, CreditTransaction, Debt
from staff.core.formatting import change_url
from tests.economy.factories import NOW, make_user
from tests.economy.test_debts import lend
from tests.staff.pages import WHY, act, adjustment, balance, decide, everything, page, records, text_of

pytestmark = pytest.mark.django_db
Status = CreditAdjustment.Status


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


@pytest.fixture
def second(member, browser):
    """Another superuser's browser."""
    return browser(member("second", superuser=True))


def last() -> CreditAdjustment:
    return CreditAdjustment.objects.exclude(requested_by=None).latest("pk")


def test_credits_are_given_by_a_ledger_entry_with_who_and_why(desk, boss, ann):
    response = desk.post(act("adjust", ann), adjustment(250, reason="Lost by our mistake."))
    assert (response.status_code, response["Location"]) == (302, page(ann))
    given = last()
    assert (given.status, given.amount, given.requested_by, given.reason) == (
        Status.APPLIED,
        250,
        boss,
        "Lost by our mistake.",
    )
    row = CreditTransaction.objects.get(reference_id=given.pk)
    assert (row.transaction_type, row.counterparty, row.amount, row.balance_after) == (
        "admin_adjustment",
        "staff",
        250,
        1_250,
    )
    (record,) = records("adjust_credits")
    assert (record.staff, record.target_id, record.reason) == (boss, str(ann.pk), "Lost by our mistake.")
    assert (record.before["balance"], record.after["balance"]) == ("1000.00", "1250.00")
    assert audit().passed


def test_credits_are_taken_but_not_more_than_there_are(desk, ann):
    desk.post(act("adjust", ann), adjustment("-999.99"))
    assert balance(ann) == Decimal("0.01")
    before = everything()
    response = desk.post(act("adjust", ann), adjustment("-0.02"))
    assert response.status_code == 400
    assert "Only 0.01 credits are available." in text_of(response)
    assert everything() == before
    assert not Debt.objects.exists()


def test_what_is_on_hold_is_not_taken(desk, ann):
    desk.post(act("hold", ann), {"amount": "900", **WHY})
    assert desk.post(act("adjust", ann), adjustment(-101)).status_code == 400
    assert balance(ann) == 1_000


@pytest.mark.parametrize("amount", ["", "0", "-5", "0.001", "NaN", "Infinity", "1e40", "99999999999999999", "ten"])
@pytest.mark.parametrize("name", ["adjust", "hold", "release"])
def test_an_invalid_amount_of_credits_is_refused(desk, ann, name, amount):
    desk.post(act("hold", ann), {"amount": "1", **WHY})
    before = everything()
    assert desk.post(act(name, ann), adjustment(1) | {"amount": amount}).status_code == 400
    assert everything() == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_reason_nothing_moves(desk, ann, reason):
    before = everything()
    assert desk.post(act("adjust", ann), adjustment(5, reason=reason)).status_code == 400
    assert everything() == before


def test_a_form_that_is_sent_twice_gives_once(desk, ann):
    sent = adjustment(100)
    responses = [desk.post(act("adjust", ann), sent).status_code for _ in range(2)]
    assert responses == [302, 302]
    assert balance(ann) == 1_100
    assert len(records("adjust_credits")) == 1


def test_a_form_that_is_sent_again_with_something_else_in_it_is_refused(desk, ann):
    sent = adjustment(100)
    desk.post(act("adjust", ann), sent)
    assert desk.post(act("adjust", ann), sent | {"amount": "200"}).status_code == 409
    assert desk.post(act("adjust", make_user("bob")), sent).status_code == 409
    assert balance(ann) == 1_100


def test_each_page_comes_with_an_id_of_its_own(desk, ann):
    pages = [desk.get(act("adjust", ann)) for _ in range(2)]
    assert len({response.context["form"]["request_id"].value() for response in pages}) == 2


def test_looking_at_the_page_gives_nothing(desk, ann):
    before = everything()
    response = desk.get(act("adjust", ann), adjustment(100))
    assert "More than 10,000.00 credits a day needs a second of the staff" in text_of(response)
    assert everything() == before


def test_more_than_the_limit_waits_for_a_second_of_the_staff(desk, second, ann):
    desk.post(act("adjust", ann), adjustment("10000.01"))
    asked = last()
    assert (asked.status, balance(ann)) == (Status.PENDING, 1_000)
    assert "An adjustment waits for a second of the staff." in text_of(desk.get(page(ann)))
    assert second.post(decide("approve", asked), {"reason": "Seen the ticket."}).status_code == 302
    asked.refresh_from_db()
    assert (asked.status, asked.decided_by.username, asked.decision_reason) == (
        Status.APPROVED,
        "second",
        "Seen the ticket.",
    )
    assert balance(ann) == Decimal("11000.01")
    assert (records("ask_for_adjustment")[0].target_id, records("approve_adjustment")[0].target_id) == (
        str(ann.pk),
        str(ann.pk),
    )
    assert audit().passed


def test_exactly_the_limit_needs_nobody_else(desk, ann):
    desk.post(act("adjust", ann), adjustment(10_000))
    assert (last().status, balance(ann)) == (Status.APPLIED, 11_000)


def test_who_asked_takes_it_back_and_nobody_else(desk, second, ann):
    desk.post(act("adjust", ann), adjustment(200_000))
    asked = last()
    assert decide("withdraw", asked) in desk.get(change_url(asked)).content.decode()
    assert decide("withdraw", asked) not in second.get(change_url(asked)).content.decode()
    before = everything()
    assert second.post(decide("withdraw", asked), WHY).status_code == 403
    assert everything() == before
    assert desk.post(decide("withdraw", asked), WHY).status_code == 302
    assert (last().status, last().is_withdrawn, balance(ann)) == (Status.DECLINED, True, 1_000)
    assert "withdrawn" in text_of(desk.get(change_url(asked)))
    (record,) = records("withdraw_adjustment")
    assert (record.target_id, record.reason) == (str(ann.pk), WHY["reason"])
    for name in ("approve", "decline"):
        assert second.post(decide(name, asked), WHY).status_code == 409
    assert desk.post(decide("withdraw", asked), WHY).status_code == 409
    assert balance(ann) == 1_000
    assert audit().passed


def test_what_is_declined_never_moves(desk, second, ann):
    desk.post(act("adjust", ann), adjustment(20_000))
    second.post(decide("decline", last()), WHY)
    assert (last().status, balance(ann)) == (Status.DECLINED, 1_000)
    assert second.post(decide("approve", last()), WHY).status_code == 409
    assert balance(ann) == 1_000
    assert audit().passed


def test_nobody_approves_what_they_asked_for_themselves(desk, boss, ann):
    desk.post(act("adjust", ann), adjustment(20_000))
    assert desk.post(decide("approve", last()), WHY).status_code == 403
    assert (last().status, balance(ann)) == (Status.PENDING, 1_000)
    assert "Approve" not in text_of(desk.get(page(ann)))
    with pytest.raises(SecondPersonNeeded):
        adjustments.decide_adjustment(adjustment_id=last().pk, approve=True, by=COMMAND_LINE, reason="Me.", now=NOW)


def test_nobody_gives_credits_to_themselves_nor_approves_a_gift_to_themselves(desk, boss, member, browser):
    assert desk.post(act("adjust", boss), adjustment(5)).status_code == 403
    other = member("other", superuser=True)
    desk.post(act("adjust", other), adjustment(20_000))
    assert browser(other).post(decide("approve", last()), WHY).status_code == 403
    assert (balance(boss), balance(other)) == (0, 0)


def adjusted(user, amount, *, by, now=NOW):
    """At that moment: the limit is for a day."""
    asked = AdjustmentRequest(user_id=user.pk, amount=Decimal(amount), reason="Why not.", request_id=uuid4())
    return adjust_credits(asked, by=StaffMember(by), now=now).status


def test_the_limit_is_not_dodged_in_parts_nor_by_taking(boss, ann):
    parts = (6_000, -4_000, "0.01", "-0.01")
    assert [adjusted(ann, part, by=boss) for part in parts] == ["applied", "applied", "pending", "pending"]
    assert balance(ann) == 3_000


def test_the_limit_is_for_one_of_the_staff_and_one_user(boss, member, ann):
    other, bob = member("other", superuser=True), make_user("bob")
    for by, user in ((boss, ann), (boss, bob), (other, ann)):
        assert adjusted(user, 10_000, by=by) == "applied"
        assert adjusted(user, 1, by=by) == "pending"


def test_the_limit_is_for_a_utc_day(boss, ann):
    midnight = datetime(2026, 3, 6, tzinfo=UTC)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight.astimezone(timezone(timedelta(hours=-9)))]
    assert [adjusted(ann, 10_000, by=boss, now=now) for now in moments] == ["applied", "applied", "pending"]


def test_what_was_approved_does_not_count_against_the_limit(boss, second, ann):
    assert adjusted(ann, 50_000, by=boss) == "pending"
    second.post(decide("approve", last()), WHY)
    assert adjusted(ann, 10_000, by=boss) == "applied"
    assert balance(ann) == 61_000


def test_credits_that_were_spent_meanwhile_are_not_taken_and_it_goes_on_waiting(desk, second, ann, monkeypatch):
    monkeypatch.setattr(rules, "ADMIN_ADJUSTMENT_LIMIT", Decimal(100))
    desk.post(act("adjust", ann), adjustment(-800))
    asked = last()
    second.post(act("adjust", ann), adjustment(-99))
    second.post(act("hold", ann), {"amount": "200", **WHY})
    response = second.post(decide("approve", asked), WHY)
    assert response.status_code == 400
    assert "Only 701.00 credits are available." in text_of(response)
    asked.refresh_from_db()
    assert (asked.status, balance(ann)) == (Status.PENDING, 901)


def test_what_is_given_repays_debts_first(desk):
    bob = make_user("bob")
    lend(bob, 100)
    desk.post(act("adjust", bob), adjustment(150))
    assert balance(bob) == 50
