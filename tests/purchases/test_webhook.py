"""POST /purchases/webhooks/stripe: what Stripe signed, each event once; anything else is refused."""

import json
import time

import pytest

from purchases.models import PurchaseEvent
from tests.purchases.factories import assert_audit_passes, everything, read, refund, refusal
from tests.purchases.stripe_simulator import WEBHOOK, deliver, event, signature

pytestmark = pytest.mark.django_db
COMPLETED, EXPIRED = "checkout.session.completed", "checkout.session.expired"
LATER_PAID, LATER_FAILED = "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"


@pytest.fixture
def session(ann, stripe) -> str:
    """The Checkout session of ann's purchase of 500 credits, not yet paid."""
    return ann.buy(provider="stripe")["externalId"]


def status_of(buyer) -> str:
    ((status),) = [purchase["status"] for purchase in buyer.mine()]
    return status


def test_a_paid_session_grants_the_credits(ann, session):
    assert read(deliver(event(session))) == {"success": True}
    (purchase,) = ann.mine()
    assert (purchase["status"], purchase["creditsGranted"], purchase["checkoutUrl"]) == ("completed", 500, None)
    assert ann.ledger_entries() == [("credit_purchase", 500)]
    trail = PurchaseEvent.objects.order_by("pk").values_list("kind", "provider_event_id")
    assert list(trail) == [("started", ""), ("completed", "evt_1")]
    assert_audit_passes()


def test_the_same_event_again_grants_nothing(ann, session):
    read(deliver(event(session)))
    before = everything()
    read(deliver(event(session)))
    assert everything() == before


def test_another_event_about_a_paid_session_grants_nothing(ann, session):
    read(deliver(event(session)))
    before = everything()
    for number, kind in enumerate([COMPLETED, LATER_PAID, LATER_FAILED, EXPIRED]):
        read(deliver(event(session, kind, name=f"evt_more_{number}")))
    assert everything() == before


def test_a_session_that_is_paid_later_grants_when_it_is(ann, session):
    read(deliver(event(session, payment_status="unpaid")))
    assert (status_of(ann), ann.balance) == ("pending", 0)
    read(deliver(event(session, LATER_PAID, name="evt_2")))
    assert (status_of(ann), ann.balance) == ("completed", 500)


@pytest.mark.parametrize("kind", [EXPIRED, LATER_FAILED])
def test_a_session_that_is_never_paid_fails_the_purchase(ann, session, kind):
    read(deliver(event(session, kind, payment_status="unpaid")))
    assert (status_of(ann), ann.balance) == ("failed", 0)
    assert_audit_passes()


def test_events_out_of_order_still_grant_what_was_paid(ann, session):
    read(deliver(event(session, LATER_FAILED, name="evt_2", payment_status="unpaid")))
    read(deliver(event(session, LATER_PAID, name="evt_3")))
    assert (status_of(ann), ann.balance) == ("completed", 500)
    assert_audit_passes()


def test_a_refunded_purchase_is_not_granted_again(ann, sue, session):
    read(deliver(event(session)))
    # A transaction of its own, as everywhere: `durable` is let through inside a test's.
    refund(ann.mine()[0], sue)
    read(deliver(event(session, LATER_PAID, name="evt_2")))
    assert (status_of(ann), ann.balance) == ("refunded", 0)


@pytest.mark.parametrize(
    "wrong", [{"amount_total": 1}, {"amount_total": None}, {"amount_total": True}, {"currency": "eur"}]
)
def test_another_amount_than_agreed_grants_nothing_and_is_noted_for_staff(ann, session, wrong):
    read(deliver(event(session, **wrong)))
    assert (status_of(ann), ann.balance) == ("pending", 0)
    assert PurchaseEvent.objects.filter(kind="disputed", provider_event_id="evt_1").count() == 1
    assert_audit_passes()


@pytest.mark.parametrize(
    "payload",
    [
        event("cs_of_somebody_else"),
        {"id": "evt_1", "type": "charge.refunded", "data": {"object": {"id": "ch_1"}}},
        {"id": "evt_1", "type": COMPLETED},
        {"id": "evt_1", "type": COMPLETED, "data": {"object": None}},
        event("cs_test_1", name=""),
        event("cs_test_1", name="\u0000"),
        event("x" * 300),
        {"type": 7},
        [],
        None,
        b"not json",
        b"",
    ],
)
def test_what_is_signed_and_not_ours_has_no_effect(ann, session, payload):
    before = everything()
    assert deliver(payload).status_code == 200
    assert everything() == before


class TestSignature:
    """The scheme of https://docs.stripe.com/webhooks: `t=…,v1=HMAC-SHA256(t.body)`."""

    @pytest.fixture
    def body(self, session) -> bytes:
        return json.dumps(event(session)).encode()

    def refused(self, body, header):
        before = everything()
        refusal(deliver(body, header), 400, "invalid_signature")
        assert everything() == before

    @pytest.mark.parametrize(
        "header",
        ["", "nonsense", "t=,v1=", "t=1e9,v1=00", "t=\u0661,v1=00", "v1=00", "t=1", "t=" + "9" * 99 + ",v1=00"],
    )
    def test_a_missing_or_malformed_signature_is_refused(self, body, header):
        self.refused(body, header)

    def test_one_of_a_body_that_is_no_text_is_refused(self, session):
        self.refused(b"\xff", signature(b"\xff"))

    def test_one_with_another_secret_is_refused(self, body):
        self.refused(body, signature(body, key="whsec_other"))

    def test_one_of_another_body_is_refused(self, body):
        self.refused(body.replace(b"499", b"498"), signature(body))

    def test_one_with_another_time_is_refused(self, body):
        header = signature(body)
        self.refused(body, header.replace("t=1", "t=2", 1))

    def test_one_of_an_older_scheme_is_refused(self, body):
        self.refused(body, signature(body).replace("v1=", "v0="))

    @pytest.mark.parametrize("seconds", [-305, 305])
    def test_one_that_is_further_away_than_five_minutes_is_refused(self, body, seconds):
        self.refused(body, signature(body, at=time.time() + seconds))

    @pytest.mark.parametrize("seconds", [-290, 290])
    def test_one_within_five_minutes_is_good(self, ann, body, seconds):
        read(deliver(body, signature(body, at=time.time() + seconds)))
        assert ann.balance == 500

    def test_while_a_secret_is_rolled_one_good_signature_is_enough(self, ann, body):
        moment = time.time()
        old = signature(body, key="whsec_old", at=moment)
        read(deliver(body, f"{old},{signature(body, at=moment).partition(',')[2]},v0=zz"))
        assert ann.balance == 500


def test_without_stripe_there_is_no_such_place(ann, session, settings):
    settings.STRIPE_WEBHOOK_SECRET = ""
    body = json.dumps(event(session)).encode()
    refusal(deliver(body, signature(body, key="")), 404, "not_found")
    assert ann.balance == 0


def test_it_takes_only_posts(api, session):
    refusal(api.get(WEBHOOK), 405, "method_not_allowed")
