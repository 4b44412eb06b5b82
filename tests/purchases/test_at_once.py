"""Real threads and committed transactions: one externalId, one event, one refund, many at once."""

import pytest

from purchases.models import CreditPurchase, PurchaseEvent
from purchases.services import PurchaseNotRefundable
from tests.concurrently import all_at_once
from tests.purchases.factories import arrive, books_balance, refund
from tests.purchases.stripe_simulator import event, tell

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_external_id_at_once_is_one_purchase_and_one_grant():
    ann = arrive("ann")
    answers = all_at_once(lambda: ann.post({"packageId": "starter", "externalId": "order-1"}), 12)
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["purchase"]["id"] for answer in answers}) == 1
    assert ann.journal() == [("credit_purchase", 500)]
    books_balance()


def test_an_external_id_that_two_users_want_at_once_is_one_users():
    people = [arrive(f"user{i}") for i in range(4)]
    waiting = list(people)
    answers = all_at_once(lambda: waiting.pop().post({"packageId": "starter", "externalId": "order-1"}), 4)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert sum(person.balance for person in people) == 500
    books_balance()


def test_the_same_key_at_once_buys_once():
    ann = arrive("ann")
    answers = all_at_once(lambda: ann.post({"packageId": "starter"}, Idempotency_Key="one"), 8)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert ann.balance == 500


def test_an_event_told_many_times_at_once_grants_once(stripe):
    ann = arrive("ann")
    ann.buy(provider="stripe")
    answers = all_at_once(lambda: tell(event("cs_test_1")), 8)
    assert {answer.status_code for answer in answers} == {200}
    assert ann.journal() == [("credit_purchase", 500)]
    assert PurchaseEvent.objects.filter(kind="completed").count() == 1
    books_balance()


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
    books_balance()
