"""POST /purchases/webhooks/stripe: money that was given back at Stripe takes the credits back; the rest is for staff."""

from functools import partial

import pytest

from purchases.models import CreditPurchase, PurchaseEvent
from purchases.services import PurchaseNotRefundable
from tests.concurrently import all_at_once
from tests.economy.factories import give
from tests.purchases.factories import arrive, assert_audit_passes, everything, read, refund
from tests.purchases.stripe_simulator import claimed, deliver, event, refunded

pytestmark = pytest.mark.django_db
GRANTED, TAKEN = ("credit_purchase", 500), ("purchase_refund", -500)


@pytest.fixture
def session(ann, stripe) -> str:
    """The Checkout session of ann's purchase of 500 credits, not yet paid."""
    return ann.buy(provider="stripe")["externalId"]


@pytest.fixture
def paid(session) -> str:
    read(deliver(event(session)))
    return session


def the_reference(stripe) -> str:
    """What Stripe copies to the charge."""
    return stripe.requests[0][2]["payment_intent_data[metadata][reference]"]


def shown(buyer):
    """Status and credits granted, as the user sees them."""
    ((status, granted),) = [(purchase["status"], purchase["creditsGranted"]) for purchase in buyer.mine()]
    return status, granted


def trail(kind):
    return list(PurchaseEvent.objects.filter(kind=kind).order_by("pk").values_list("provider_event_id", "note"))


def test_a_refund_at_stripe_takes_the_credits_back(ann, paid):
    read(deliver(refunded()))
    assert shown(ann) == ("refunded", 500)
    assert ann.ledger_entries() == [GRANTED, TAKEN]
    assert trail("refunded") == [("evt_refund", "charge.refunded: 499 of 499 cents of usd")]
    assert_audit_passes()


def test_the_same_event_again_takes_nothing(ann, paid):
    read(deliver(refunded()))
    before = everything()
    read(deliver(refunded()))
    read(deliver(refunded("evt_another")))
    assert everything() == before


def test_what_is_spent_becomes_a_debt(ann, paid):
    give(ann.id, -400)
    read(deliver(refunded()))
    assert (ann.balance, ann.ledger_entries()[2:]) == (0, [("purchase_refund", 400), TAKEN])
    assert_audit_passes()
    give(ann.id, 1000)
    assert ann.balance == 600


def test_a_refund_that_is_heard_of_before_the_payment_grants_nothing_then(ann, stripe, session):
    read(deliver(refunded(reference=the_reference(stripe))))
    assert shown(ann) == ("refunded", 0)
    before = everything()
    read(deliver(event(session)))
    read(deliver(event(session, "checkout.session.async_payment_succeeded", name="evt_2")))
    assert everything() == before
    assert ann.ledger_entries() == []
    assert_audit_passes()


def test_a_refund_after_a_payment_that_came_too_late_for_the_page_is_one_too(ann, stripe, session):
    read(deliver(event(session, "checkout.session.expired", payment_status="unpaid")))
    read(deliver(refunded(reference=the_reference(stripe))))
    assert shown(ann) == ("refunded", 0)
    assert_audit_passes()


def test_a_payment_of_another_amount_that_is_given_back_is_done_with(ann, session):
    read(deliver(event(session, amount_total=1)))
    read(deliver(refunded(amount=1, amount_refunded=1)))
    assert (shown(ann), ann.ledger_entries()) == (("refunded", 0), [])
    assert_audit_passes()


def test_a_refund_of_a_part_is_left_to_staff_and_the_rest_of_it_takes_the_credits(ann, paid):
    read(deliver(refunded(cents=200)))
    assert (shown(ann), ann.balance) == (("completed", 500), 500)
    assert trail("disputed") == [("evt_refund", "charge.refunded: 200 of 499 cents of usd")]
    assert_audit_passes()
    read(deliver(refunded("evt_rest")))
    assert (shown(ann), ann.balance) == (("refunded", 500), 0)
    assert_audit_passes()


def test_a_refund_that_staff_began_with_the_credits_takes_nothing_twice(ann, sue, paid):
    refund(ann.mine()[0], sue)
    before = everything()
    read(deliver(refunded()))
    assert everything() == before
    assert_audit_passes()


def test_staff_cannot_refund_again_what_stripe_refunded(ann, sue, paid):
    read(deliver(refunded()))
    before = everything()
    with pytest.raises(PurchaseNotRefundable):
        refund(ann.mine()[0], sue)
    assert everything() == before


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("charge.dispute.created", "needs_response"),
        ("charge.dispute.funds_withdrawn", "needs_response"),
        ("charge.dispute.closed", "lost"),
        ("refund.failed", "failed"),
    ],
)
def test_a_dispute_and_a_refund_that_failed_are_noted_for_staff_and_move_nothing(ann, paid, kind, status):
    for _ in range(2):
        read(deliver(claimed(kind, status)))
    assert trail("disputed") == [("evt_claim", f"{kind}: {status}, 499 cents of usd")]
    assert (shown(ann), ann.balance) == (("completed", 500), 500)
    assert_audit_passes()


def test_a_dispute_after_a_refund_is_noted_too(ann, paid):
    read(deliver(refunded()))
    read(deliver(claimed("charge.dispute.created", "needs_response")))
    assert len(trail("disputed")) == 1
    assert_audit_passes()


@pytest.mark.parametrize(
    "payload",
    [
        refunded(payment_intent="pi_of_somebody_else"),
        refunded(payment_intent=None),
        refunded(payment_intent=7),
        refunded(payment_intent=None, metadata=None),
        refunded(payment_intent=None, reference="not-one-of-ours"),
        refunded(payment_intent=None, metadata={"reference": {"a": 1}}),
        refunded(""),
        claimed("charge.dispute.created", "needs_response", payment_intent=None),
        {**refunded(), "data": {"object": []}},
        {**refunded(), "type": "charge.succeeded"},
        {**refunded(), "type": "charge.dispute.\u0000"},
    ],
)
def test_events_about_unknown_purchases_have_no_effect(ann, paid, payload):
    before = everything()
    read(deliver(payload))
    assert everything() == before


@pytest.mark.parametrize("said", [None, "true", 1, False])
def test_only_a_full_refund_takes_the_credits(ann, paid, said):
    read(deliver(refunded(refunded=said)))
    assert (shown(ann), ann.balance) == (("completed", 500), 500)


def test_words_without_end_are_cut(ann, paid):
    read(deliver(claimed("charge.dispute.created", "x" * 5_000)))
    ((_, note),) = trail("disputed")
    assert len(note) < 500


@pytest.mark.django_db(transaction=True)
def test_a_refund_delivered_many_times_at_once_and_by_staff_takes_back_once(stripe):
    ann, sue = arrive("ann"), arrive("sue", is_staff=True, is_superuser=True)
    read(deliver(event(ann.buy(provider="stripe")["externalId"])))
    purchase = ann.mine()[0]

    def staff():
        try:
            refund(purchase, sue)
        except PurchaseNotRefundable:
            return 200
        return 200

    def stripe_delivers(name):
        return deliver(refunded(name)).status_code

    works = [staff, *[partial(stripe_delivers, f"evt_{n}") for n in range(5)]]

    def work():
        return works.pop()()

    assert all_at_once(work, 6) == [200] * 6
    assert ann.ledger_entries() == [GRANTED, TAKEN]
    assert CreditPurchase.objects.get().status == "refunded"
    assert len(trail("refunded")) == 1
    assert_audit_passes()
