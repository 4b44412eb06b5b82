"""POST /purchases/webhooks/stripe: what Stripe signed, each event once; anything else is refused."""

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from purchases.errors import PaymentUnavailable
from purchases.events import reconcile_purchases, retry_events
from purchases.models import ProviderEvent, PurchaseEvent
from purchases.stripe_library import STRIPE_VERSION
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
        {"id": "evt_1", "type": "invoice.paid", "data": None},
    ],
)
def test_what_is_signed_and_not_ours_has_no_effect(ann, session, payload):
    before = everything()
    assert deliver(payload).status_code == 200
    assert everything() == before
    assert not ProviderEvent.objects.filter(processed_at=None).exists()


UNREADABLE = [
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
]


@pytest.mark.parametrize("payload", UNREADABLE)
def test_what_is_signed_and_cannot_be_read_is_kept_and_tried_again(ann, session, payload):
    before = everything()
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    for _ in range(2):
        assert deliver(payload).status_code == 200
    assert everything() == before
    (kept,) = ProviderEvent.objects.all()
    assert (bytes(kept.body), kept.processed_at, kept.attempts) == (body, None, 2)
    assert kept.error
    result = retry_events(now=timezone.now() + timedelta(days=1))
    assert (result["processed"], result["errors"]) == (0, 1)
    assert result["skippedObjects"][0]["id"] == kept.event_id


def test_an_event_that_could_not_be_read_is_processed_once_it_can_be(ann, session):
    read(deliver(event(session, payment_intent={"id": "an object, as in another version"})))
    assert (status_of(ann), ann.balance) == ("pending", 0)
    # What a new release does: it reads what the old one couldn't.
    body = json.dumps(event(session)).encode()
    ProviderEvent.objects.update(body=body)
    assert retry_events(now=timezone.now())["processed"] == 0
    assert retry_events(now=timezone.now() + timedelta(minutes=11))["processed"] == 1
    assert (status_of(ann), ann.balance) == ("completed", 500)
    (kept,) = ProviderEvent.objects.all()
    assert (bytes(kept.body), kept.error) == (b"", "")
    assert_audit_passes()


def test_attempts_become_rarer_and_processed_events_are_deleted_after_a_month(ann, session):
    deliver(b"[]")
    now, waits = timezone.now(), []
    for _ in range(9):
        kept = ProviderEvent.objects.get()
        waits.append(round((kept.next_attempt_at - now).total_seconds() / 60))
        now = kept.next_attempt_at
        retry_events(now=now)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    read(deliver(event(session)))
    assert retry_events(now=timezone.now() + timedelta(days=29))["deleted"] == 0
    assert retry_events(now=timezone.now() + timedelta(days=31))["deleted"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        # Since 2025 the session keeps our currency; before that it had the payer's, and ours beside it.
        {"presentment_details": {"presentment_amount": 459, "presentment_currency": "eur"}},
        {
            "amount_total": 459,
            "currency": "eur",
            "currency_conversion": {"amount_total": 499, "source_currency": "usd", "fx_rate": "0.92"},
        },
    ],
)
def test_who_pays_in_another_currency_gets_the_credits(ann, session, fields):
    read(deliver(event(session, **fields)))
    assert (status_of(ann), ann.balance) == ("completed", 500)
    assert_audit_passes()


class TestLookingUp:
    """Purchases whose event never arrived."""

    @pytest.fixture
    def later(self):
        return timezone.now() + timedelta(minutes=20)

    def test_a_paid_session_grants_the_credits_once(self, ann, session, stripe, later):
        stripe.became(session)
        assert reconcile_purchases(now=later) == {"lookedUp": 1, "decided": 1}
        assert (status_of(ann), ann.balance) == ("completed", 500)
        assert reconcile_purchases(now=later) == {"lookedUp": 0, "decided": 0}
        read(deliver(event(session)))
        assert ann.balance == 500
        assert_audit_passes()

    def test_an_expired_one_fails_the_purchase_and_an_open_one_waits(self, ann, bob, session, stripe, later):
        open_one = bob.buy(provider="stripe")["externalId"]
        stripe.became(session, status="expired", payment_status="unpaid")
        stripe.became(open_one, status="open", payment_status="unpaid")
        assert reconcile_purchases(now=later) == {"lookedUp": 2, "decided": 1}
        assert (status_of(ann), status_of(bob)) == ("failed", "pending")

    def test_another_amount_is_for_staff_and_said_once(self, ann, session, stripe, later):
        stripe.became(session, amount_total=1)
        for _ in range(2):
            assert reconcile_purchases(now=later) == {"lookedUp": 1, "decided": 0}
        assert (status_of(ann), ann.balance) == ("pending", 0)
        assert PurchaseEvent.objects.filter(kind="disputed").count() == 1

    def test_those_begun_just_now_and_those_of_last_month_are_left_alone(self, session, stripe):
        stripe.became(session)
        for age in (timedelta(minutes=5), timedelta(days=8)):
            assert reconcile_purchases(now=timezone.now() + age)["lookedUp"] == 0

    def test_one_that_stripe_cannot_tell_of_stops_no_other(self, ann, bob, session, stripe, later):
        stripe.became(bob.buy(provider="stripe")["externalId"])
        result = reconcile_purchases(now=later)
        assert (result["decided"], result["errors"]) == (1, 1)
        assert result["skippedObjects"][0]["id"] == session
        assert bob.balance == 500

    def test_with_stripe_away_the_run_fails_and_the_next_succeeds(self, ann, bob, sue, session, stripe, later):
        for buyer in (bob, sue):
            buyer.buy(provider="stripe")
        stripe.response = (500, b"{}")
        with pytest.raises(PaymentUnavailable):
            reconcile_purchases(now=later)
        stripe.response = None
        stripe.became(session)
        assert reconcile_purchases(now=later)["decided"] == 1
        assert ann.balance == 500

    def test_every_request_names_the_version_of_the_api(self, session, stripe, later):
        stripe.became(session)
        reconcile_purchases(now=later)
        assert {headers["stripe-version"] for _, headers, _ in stripe.requests} == {STRIPE_VERSION}


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
