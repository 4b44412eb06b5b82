"""A refund by staff takes the credits back, once; what is spent becomes a debt."""

from uuid import uuid4

import pytest
from django.db import transaction

from accounts.models import User
from economy.ledger import change_hold
from economy.models import Debt
from purchases.models import PurchaseEvent
from purchases.services import PurchaseNotFound, PurchaseNotRefundable, refund_purchase
from tests.economy.worlds import give
from tests.purchases.worlds import NOW, books_balance, everything, refund

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_takes_back_what_was_bought(ann, sue):
    purchase = ann.buy("pro")
    refunded = refund(purchase, sue, "Bought by mistake.")
    assert (refunded.status, refunded.refunded_at) == ("refunded", NOW)
    assert ann.journal() == [("credit_purchase", 2500), ("purchase_refund", -2500)]
    assert ann.balance == 0
    books_balance()


def test_the_trail_says_who_and_why(ann, sue):
    purchase = ann.buy()
    refund(purchase, sue, "Bought by mistake.")
    event = PurchaseEvent.objects.get(purchase=purchase["id"], kind="refunded")
    assert (event.actor_id, event.note, event.created_at) == (sue.id, "Bought by mistake.", NOW)


def test_it_happens_once(ann, sue):
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
    assert ann.journal()[2:] == [("purchase_refund", 400), ("purchase_refund", -500)]
    assert Debt.objects.get(user=ann.id).lent == 400
    books_balance()
    give(ann.id, 1000)
    assert ann.balance == 600
    books_balance()


def test_what_is_on_hold_is_not_taken(ann, sue):
    purchase = ann.buy("starter")
    with transaction.atomic():
        change_hold(user_id=ann.id, change=purchase["creditsGranted"] - 100, now=NOW)
    refund(purchase, sue)
    assert User.objects.values_list("credit_balance", "available_credits").get(pk=ann.id) == (400, 0)
    books_balance()


def test_the_same_external_id_after_a_refund_grants_nothing_again(ann, sue):
    refund(ann.buy(externalId="order-1"), sue)
    assert ann.post({"packageId": "starter", "externalId": "order-1"}).json()["purchase"]["status"] == "refunded"
    assert ann.balance == 0


def test_an_unknown_purchase_is_refused(sue):
    with pytest.raises(PurchaseNotFound):
        refund_purchase(purchase_id=uuid4(), staff_id=sue.id, reason="", now=NOW)


def test_a_purchase_that_is_not_paid_is_refused(ann, sue, stripe):
    purchase = ann.buy(provider="stripe")
    before = everything()
    with pytest.raises(PurchaseNotRefundable):
        refund(purchase, sue)
    assert everything() == before
