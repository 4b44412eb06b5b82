"""Paying through Stripe: a Checkout session for the purchase, and no credits until Stripe says that it is paid."""

import re
import time

import pytest

from purchases import rules
from purchases.models import CreditPurchase
from tests.concurrently import all_at_once
from tests.economy.factories import execute
from tests.purchases.factories import arrive, assert_audit_passes, everything, read, refusal

pytestmark = pytest.mark.django_db


def test_a_purchase_waits_for_its_payment_at_stripes_page(ann, stripe):
    body = read(ann.post({"packageId": "starter", "provider": "stripe"}), 201)
    purchase = body["purchase"]
    assert (purchase["status"], purchase["creditsGranted"], body["newBalance"]) == ("pending", 0, 0)
    assert (purchase["externalId"], purchase["checkoutUrl"]) == ("cs_test_1", "https://checkout.example/1")
    assert ann.ledger_entries() == []
    assert_audit_passes()


def test_stripe_gets_the_packages_price_and_what_it_is_for(ann, stripe):
    purchase = ann.buy("pro", provider="stripe")
    ((path, headers, form),) = stripe.requests
    assert path == "/v1/checkout/sessions"
    assert headers["authorization"] == "Bearer sk_test_only"
    assert re.fullmatch("[0-9a-f]{64}", headers["idempotency-key"])
    reference = CreditPurchase.objects.values_list("reference", flat=True).get(pk=purchase["id"])
    assert reference == form["client_reference_id"] == form["payment_intent_data[metadata][reference]"]
    assert form["mode"] == "payment"
    assert form["line_items[0][price_data][unit_amount]"] == "1999"
    assert form["line_items[0][price_data][currency]"] == "usd"
    assert form["success_url"] == "https://front.example/purchases?session={CHECKOUT_SESSION_ID}"


def test_the_same_external_id_again_is_the_same_page_and_stripe_gets_no_request(ann, stripe):
    first = ann.buy(provider="stripe", externalId="order-1")
    again = read(ann.post({"packageId": "starter", "provider": "stripe", "externalId": "order-1"}), 200)
    assert again["purchase"] == first
    assert len(stripe.requests) == 1


class TestTheSameOrderAgain:
    """Sent again, the order gets with the same session: none is opened that nobody is shown."""

    ORDERS = (
        ({"externalId": "order-1"}, {}),
        ({}, {"Idempotency_Key": "one"}),
        ({"externalId": "order-1"}, {"Idempotency_Key": "one"}),
    )

    def ask(self, buyer, body=None, **headers):
        return buyer.post({"packageId": "starter", "provider": "stripe", **(body or {})}, **headers)

    @pytest.mark.parametrize(("body", "headers"), ORDERS)
    def test_a_retry_after_a_lost_response_gets_the_same_session(self, ann, stripe, body, headers):
        stripe.lost_responses = 1
        refusal(self.ask(ann, body, **headers), 503, "payment_unavailable")
        purchase = read(self.ask(ann, body, **headers), 201)["purchase"]
        assert purchase["checkoutUrl"] == "https://checkout.example/1"
        assert (len(stripe.requests), len(stripe.kept)) == (2, 1)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(("body", "headers"), ORDERS)
    def test_many_at_once_get_the_same_session(self, stripe, body, headers):
        ann = arrive("ann")
        responses = all_at_once(lambda: self.ask(ann, body, **headers), 8)
        assert {response.status_code for response in responses} <= {200, 201}
        assert len({response.json()["purchase"]["id"] for response in responses}) == 1
        assert (len(stripe.kept), CreditPurchase.objects.count()) == (1, 1)

    def test_while_stripe_still_processes_the_first(self, ann, stripe):
        stripe.busy = 2
        read(self.ask(ann, {"externalId": "order-1"}), 201)
        assert len({headers["idempotency-key"] for _, headers, _ in stripe.requests}) == 1

    def test_not_longer_than_a_moment(self, ann, stripe):
        stripe.busy = 99
        refusal(self.ask(ann, {"externalId": "order-1"}), 503, "payment_unavailable")
        assert len(stripe.requests) == 4

    def test_another_price_is_another_order(self, ann, stripe, monkeypatch):
        stripe.lost_responses = 1
        refusal(self.ask(ann, {"externalId": "order-1"}), 503, "payment_unavailable")
        monkeypatch.setattr(rules, "PURCHASE_PACKAGES", "starter:500:5.99")
        assert read(self.ask(ann, {"externalId": "order-1"}), 201)["purchase"]["externalId"] == "order-1"
        assert len(stripe.kept) == 2

    def test_another_users_is_another_order(self, ann, bob, stripe):
        first, second = (self.ask(buyer, Idempotency_Key="one").json()["purchase"] for buyer in (ann, bob))
        assert first["checkoutUrl"] != second["checkoutUrl"]
        assert len(stripe.kept) == 2

    def test_an_order_without_a_name_is_another_each_time(self, ann, stripe):
        urls = {self.ask(ann).json()["purchase"]["checkoutUrl"] for _ in range(3)}
        assert len(urls) == len(stripe.kept) == 3

    def test_a_key_that_we_forgot_and_stripe_did_not_finds_the_purchase(self, ann, stripe):
        first = read(self.ask(ann, Idempotency_Key="one"), 201)["purchase"]
        execute("DELETE FROM idempotency_keys")
        assert read(self.ask(ann, Idempotency_Key="one"), 200)["purchase"] == first
        assert (len(stripe.kept), CreditPurchase.objects.count()) == (1, 1)


def test_one_external_id_may_name_a_purchase_of_each_provider(ann, stripe):
    assert ann.buy(provider="stripe", externalId="order-1") != ann.buy(externalId="order-1")


@pytest.mark.parametrize(
    "response",
    [
        (402, b'{"error": {"message": "secret words"}}'),
        (500, b""),
        (302, b"{}"),
        (200, b"not json"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"id": "cs_1", "url": "javascript:alert(1)"}'),
        (200, b'{"id": 7, "url": "https://checkout.example/1"}'),
        (200, b'{"id": "cs_1", "url": "https://checkout.example/' + b"x" * 300_000 + b'"}'),
    ],
)
def test_an_unusable_response_of_stripe_is_a_503_and_nothing_is_stored(ann, stripe, response):
    stripe.response = response
    before = everything()
    refused = ann.post({"packageId": "starter", "provider": "stripe"})
    body = refusal(refused, 503, "payment_unavailable")
    assert refused["Retry-After"]
    assert "secret words" not in str(body)
    assert everything() == before


def test_a_response_that_never_ends_is_given_up_in_time(ann, stripe, monkeypatch):
    monkeypatch.setattr(rules, "STRIPE_REQUEST_SECONDS", 0.5)
    stripe.drips = True
    started = time.monotonic()
    refusal(ann.post({"packageId": "starter", "provider": "stripe"}), 503, "payment_unavailable")
    assert 0.4 < time.monotonic() - started < 5
    assert not CreditPurchase.objects.exists()


def test_nothing_secret_is_logged(ann, stripe, caplog):
    caplog.set_level("DEBUG")
    stripe.response = (402, b'{"error": {"message": "secret words"}}')
    ann.post({"packageId": "starter", "provider": "stripe"})
    stripe.response = None
    ann.buy(provider="stripe")
    reference = stripe.requests[-1][2]["client_reference_id"]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("purchases", "stripe"))]
    assert lines == ["Stripe responded with status 402 (CardError)"]
    assert not [text for text in ("sk_test_only", "secret words", reference) if text in caplog.text]


def test_a_stripe_that_is_away_is_our_503(ann, stripe, settings):
    settings.STRIPE_API_URL = "http://127.0.0.1:1"
    refusal(ann.post({"packageId": "starter", "provider": "stripe"}), 503, "payment_unavailable")
    assert not CreditPurchase.objects.exists()


@pytest.mark.parametrize("missing", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_without_one_of_its_keys_it_is_not_offered(ann, stripe, settings, missing):
    setattr(settings, missing, "")
    refusal(ann.post({"packageId": "starter", "provider": "stripe"}), 400, "provider_not_offered")
    assert stripe.requests == []


def test_an_unknown_package_is_refused_before_stripe_gets_a_request(ann, stripe):
    refusal(ann.post({"packageId": "free", "provider": "stripe"}), 400, "invalid_package")
    assert stripe.requests == []
