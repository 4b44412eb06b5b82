"""POST /purchases with the simulated provider: the credits of a package, once for an externalId."""

import re
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from purchases import rules
from purchases.models import CreditPurchase, PurchaseEvent
from tests.purchases.factories import NOW, assert_audit_passes, everything, read, refusal
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
FIELDS = [
    "id", "packageId", "creditsGranted", "usdAmount", "status", "provider", "externalId", "checkoutUrl", "createdAt",
]  # fmt: skip


def test_a_package_brings_its_credits(ann):
    body = read(ann.post({"packageId": "pro", "externalId": "order-1"}), 201)
    assert list(body) == ["success", "purchase", "newBalance"]
    assert body["newBalance"] == 2500
    purchase = body["purchase"]
    assert list(purchase) == FIELDS
    assert UUID(purchase["id"]).version == 7
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", purchase["createdAt"])
    assert {name: purchase[name] for name in FIELDS[1:8]} == {
        "packageId": "pro",
        "creditsGranted": 2500,
        "usdAmount": Decimal("19.99"),
        "status": "completed",
        "provider": "manual",
        "externalId": "order-1",
        "checkoutUrl": None,
    }
    assert ann.ledger_entries() == [("credit_purchase", 2500)]
    assert_audit_passes()


def test_the_trail_says_how_it_came_about(ann):
    purchase = ann.buy()
    trail = PurchaseEvent.objects.filter(purchase=purchase["id"]).order_by("pk")
    assert [event.kind for event in trail] == ["started", "completed"]


def test_the_same_external_id_again_is_the_first_purchase_and_grants_nothing(ann):
    first = ann.buy(externalId="order-1")
    before = everything()
    again = read(ann.post({"packageId": "whale", "externalId": "order-1"}), 200)
    assert again["purchase"] == first
    assert again["newBalance"] == 500
    assert everything() == before


def test_another_users_external_id_is_refused(ann, bob):
    ann.buy(externalId="order-1")
    before = everything()
    refusal(bob.post({"packageId": "starter", "externalId": "order-1"}), 409, "external_id_taken")
    assert everything() == before


@pytest.mark.parametrize("none", [{}, {"externalId": None}])
def test_purchases_without_an_external_id_are_each_their_own(ann, none):
    """No NULL, which a unique key would let through twice: each is named by itself."""
    first, second = ann.buy(**none), ann.buy(**none)
    assert first["externalId"] == first["id"] != second["externalId"]
    assert ann.balance == 1000
    assert_audit_passes()


def test_the_same_key_gives_the_first_response_again(ann):
    first, again = (ann.post({"packageId": "boost"}, Idempotency_Key="one") for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
    assert ann.balance == 1000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "packageId"),
        ({"packageId": None}, "packageId"),
        ({"packageId": ["starter"]}, "packageId"),
        ({"packageId": "starter", "externalId": ""}, "externalId"),
        ({"packageId": "starter", "externalId": " "}, "externalId"),
        ({"packageId": "starter", "externalId": 7}, "externalId"),
        ({"packageId": "starter", "externalId": "x" * 256}, "externalId"),
        ({"packageId": "starter", "externalId": "a\x00b"}, "externalId"),
        ({"packageId": "starter", "provider": ""}, "provider"),
        ([], ""),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(ann, body, field):
    before = everything()
    response = refusal(ann.post(body), 400, "validation_error")
    assert field in {detail["field"] for detail in response["details"]}
    assert everything() == before


@pytest.mark.parametrize("package", ["free", "Starter", "500", "a\ufffdb"])
def test_an_unknown_package_is_refused(ann, package):
    before = everything()
    refusal(ann.post({"packageId": package}), 400, "invalid_package")
    assert everything() == before


@pytest.mark.parametrize("provider", ["stripe", "paypal", "MANUAL"])
def test_a_provider_that_is_not_offered_is_refused(ann, provider):
    before = everything()
    refusal(ann.post({"packageId": "starter", "provider": provider}), 400, "provider_not_offered")
    assert everything() == before


def test_in_production_the_simulated_provider_is_refused_unless_it_is_allowed(ann, monkeypatch):
    monkeypatch.setattr(rules, "PURCHASES_ALLOW_SIMULATED", False)
    before = everything()
    refusal(ann.post({"packageId": "starter"}), 400, "provider_not_offered")
    assert everything() == before
    monkeypatch.setattr(rules, "PURCHASES_ALLOW_SIMULATED", True)
    ann.buy()


def test_nobody_buys_unknown(api):
    refusal(
        api.post("/api/v1/purchases", {"packageId": "starter"}, content_type="application/json"),
        401,
        "not_authenticated",
    )
    assert not CreditPurchase.objects.exists()


def test_buying_takes_the_same_statements_however_much_was_bought_before(ann, django_assert_max_num_queries):
    for _ in range(3):
        with django_assert_max_num_queries(14):
            ann.buy()


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("credit_purchases_once", {"external_id": "order-1"}),
        ("credit_purchases_named", {"external_id": ""}),
        ("credit_purchases_named", {"provider": ""}),
        ("credit_purchases_amounts_positive", {"credits": 0}),
        ("credit_purchases_amounts_positive", {"usd_amount": -1}),
        ("credit_purchases_state_possible", {"status": "completed"}),
        ("credit_purchases_state_possible", {"status": "refunded", "completed_at": NOW}),
        ("credit_purchases_state_possible", {"status": "completed", "completed_at": NOW, "refunded_at": NOW}),
        ("credit_purchases_state_possible", {"status": "stolen"}),
    ],
)
def test_the_database_refuses_a_purchase_that_cannot_be(ann, constraint, wrong):
    ann.buy(externalId="order-1")
    good = {
        "user_id": ann.id,
        "package_id": "pro",
        "credits": 1,
        "usd_amount": 1,
        "status": "pending",
        "created_at": NOW,
    }
    row = good | {"provider": "manual", "external_id": "order-2"} | wrong
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        CreditPurchase.objects.create(**row)


@pytest.mark.parametrize("change", [lambda trail: trail.update(note="no"), lambda trail: trail._raw_delete("default")])
def test_the_trail_is_never_changed(ann, change):
    ann.buy()
    with pytest.raises(DatabaseError, match="never changed"), as_owner(), transaction.atomic():
        change(PurchaseEvent.objects.all())
