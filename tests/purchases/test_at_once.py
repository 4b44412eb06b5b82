"""Real threads and committed transactions: one externalId, one event, one refund, many at once."""

import pytest

from purchases.models import CreditPurchase, PurchaseEvent
from purchases.services import PurchaseNotRefundable
from tests.concurrently import all_at_once
from tests.purchases.factories import arrive, assert_audit_passes, refund
from tests.purchases.stripe_simulator import deliver, event

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_external_id_at_once_is_one_purchase_and_one_grant():
    ann = arrive("ann")
    responses = all_at_once(lambda: ann.post({"packageId": "starter", "externalId": "order-1"}), 12)
    assert sorted(response.status_code for response in responses) == [200] * 11 + [201]
    assert len({response.json()["purchase"]["id"] for response in responses}) == 1
    assert ann.ledger_entries() == [("credit_purchase", 500)]
    assert_audit_passes()


def test_an_external_id_that_two_users_want_at_once_is_one_users():
    buyers = [arrive(f"user{i}") for i in range(4)]
    waiting = list(buyers)
    responses = all_at_once(lambda: waiting.pop().post({"packageId": "starter", "externalId": "order-1"}), 4)
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
    assert sum(buyer.balance for buyer in buyers) == 500
    assert_audit_passes()


def test_the_same_key_at_once_buys_once():
    ann = arrive("ann")
    responses = all_at_once(lambda: ann.post({"packageId": "starter"}, Idempotency_Key="one"), 8)
    assert {response.content for response in responses} == {responses[0].content}
    assert ann.balance == 500


def test_an_event_delivered_many_times_at_once_grants_once(stripe):
    ann = arrive("ann")
    ann.buy(provider="stripe")
    responses = all_at_once(lambda: deliver(event("cs_test_1")), 8)
    assert {response.status_code for response in responses} == {200}
    assert ann.ledger_entries() == [("credit_purchase", 500)]
    assert PurchaseEvent.objects.filter(kind="completed").count() == 1
    assert_audit_passes()


def test_a_refund_by_two_of_staff_at_once_takes_back_once():
    ann, sue = arrive("ann"), arrive("sue", is_staff=True, is_superuser=True)
    purchase = ann.buy("pro")

    def attempt():
        try:
            return refund(purchase, sue).status
        except PurchaseNotRefundable:
            return "refused"

    assert sorted(all_at_once(attempt, 6)) == ["refunded"] + ["refused"] * 5
    assert (ann.balance, CreditPurchase.objects.get().status) == (0, "refunded")
    assert_audit_passes()
