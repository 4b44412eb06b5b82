"""A refund by staff takes the credits back, once; what is spent becomes a debt."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission

from accounts.errors import NotAllowed, ReasonMissing, ReasonTooLong
from accounts.models import User
from accounts.staff import COMMAND_LINE
from economy.adjustments import hold_credits
from economy.models import Debt
from purchases.models import PurchaseEvent
from purchases.services import PurchaseNotFound, PurchaseNotRefundable
from tests.economy.factories import give, staff_actions
from tests.purchases.factories import NOW, Buyer, assert_audit_passes, everything, refund
from tests.staff.conftest import member

__all__ = ["member"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_it_takes_back_what_was_bought(ann, sue):
    purchase = ann.buy("pro")
    refunded = refund(purchase, sue, "Bought by mistake.")
    assert (refunded.status, refunded.refunded_at) == ("refunded", NOW)
    assert ann.ledger_entries() == [("credit_purchase", 2500), ("purchase_refund", -2500)]
    assert ann.balance == 0
    assert_audit_passes()


def test_the_trail_says_who_and_why(ann, sue):
    purchase = ann.buy()
    refund(purchase, sue, "Bought by mistake.")
    event = PurchaseEvent.objects.get(purchase=purchase["id"], kind="refunded")
    assert (event.actor_id, event.note, event.created_at) == (sue.id, "Bought by mistake.", NOW)


def test_what_staff_did_is_recorded_with_the_refund(ann, sue):
    purchase = ann.buy()
    refund(purchase, sue, " Bought by mistake. ")
    action = staff_actions().get()
    assert (action.action, action.staff_id, action.ip, action.reason) == (
        "refund_purchase", sue.id, "192.0.2.7", "Bought by mistake.",
    )  # fmt: skip
    assert (action.target_type, action.target_id) == ("purchases.creditpurchase", purchase["id"])
    assert action.before == {"status": "completed", "refunded_at": None, "balance": "500.00"}
    assert action.after == {"status": "refunded", "refunded_at": NOW.isoformat(), "balance": "0.00"}
    assert action.created_at == NOW


def test_without_the_permission_nobody_refunds(ann, member):
    others = (member("new").pk, member("ida", role="support").pk, ann.id)
    purchase = ann.buy()
    before = everything()
    for user_id in others:
        with pytest.raises(NotAllowed):
            refund(purchase, Buyer(user_id, ""))
    assert everything() == before


def test_refunding_needs_no_other_permission(ann, member):
    cashier = member("cashier")
    cashier.user_permissions.add(Permission.objects.get(codename="refund_purchases"))
    assert refund(ann.buy(), Buyer(cashier.pk, "")).status == "refunded"


@pytest.mark.parametrize(
    ("reason", "refusal"), [("", ReasonMissing), ("  ", ReasonMissing), ("x" * 501, ReasonTooLong)]
)
def test_a_refund_is_for_a_reason(ann, sue, reason, refusal):
    purchase = ann.buy()
    before = everything()
    with pytest.raises(refusal):
        refund(purchase, sue, reason)
    assert everything() == before


def test_a_refund_happens_once(ann, sue):
    purchase = ann.buy()
    refund(purchase, sue)
    before = everything()
    with pytest.raises(PurchaseNotRefundable):
        refund(purchase, sue)
    assert everything() == before


def test_what_is_spent_is_lent_by_the_house_and_repaid_from_later_credits(ann, sue):
    purchase = ann.buy("starter")
    give(ann.id, -400)
    refund(purchase, sue)
    assert ann.balance == 0
    assert ann.ledger_entries()[2:] == [("purchase_refund", 400), ("purchase_refund", -500)]
    assert Debt.objects.get(user=ann.id).lent == 400
    assert_audit_passes()
    give(ann.id, 1000)
    assert ann.balance == 600
    assert_audit_passes()


def test_what_is_on_hold_is_not_taken(ann, sue):
    purchase = ann.buy("starter")
    held = Decimal(purchase["creditsGranted"] - 100)
    hold_credits(user_id=ann.id, amount=held, by=COMMAND_LINE, reason="A test needs it.", now=NOW)
    refund(purchase, sue)
    assert User.objects.values_list("credit_balance", "available_credits").get(pk=ann.id) == (400, 0)
    assert_audit_passes()


def test_the_same_external_id_after_a_refund_grants_nothing_again(ann, sue):
    refund(ann.buy(externalId="order-1"), sue)
    assert ann.post({"packageId": "starter", "externalId": "order-1"}).json()["purchase"]["status"] == "refunded"
    assert ann.balance == 0


def test_an_unknown_purchase_is_refused(sue):
    with pytest.raises(PurchaseNotFound):
        refund({"id": str(uuid4())}, sue)


def test_a_purchase_that_is_not_paid_is_refused(ann, sue, stripe):
    purchase = ann.buy(provider="stripe")
    before = everything()
    with pytest.raises(PurchaseNotRefundable):
        refund(purchase, sue)
    assert everything() == before
