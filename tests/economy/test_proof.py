"""GET /api/v1/proof and /proof/me: what anybody may know of the ledger, and a user compute again."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import transaction
from rest_framework_simplejwt.tokens import AccessToken

from core.models import JobRun
from economy import tasks
from economy.errors import InvariantsBroken
from economy.ledger import Transfer, anchors, post, post_many
from economy.models import LedgerAnchor, TransactionType
from tests.economy.factories import NOW, adjustment, execute, give, make_user

RECIPE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture
def proof(api, db):
    return lambda: api.get("/api/v1/proof").json()


def test_before_the_first_anchor_and_audit_nothing_is_claimed(proof):
    body = proof()
    assert (body["asOf"], body["auditedAt"], body["head"], body["previous"], body["invariants"]) == (
        None, None, None, [], [],
    )  # fmt: skip
    assert (body["circulation"], body["entries"], body["users"]) == (0, 0, 0)


def test_it_shows_the_sums_of_the_newest_anchor_which_are_nothing_together(proof, ann):
    give(ann, 500, transaction_type=TransactionType.CREDIT_PURCHASE)
    give(ann, "-0.10")
    anchors.anchor(now=NOW)
    give(ann, 7)
    body = proof()
    assert body["circulation"] == 1499.9
    assert {name: value for name, value in body["counterparties"].items() if value} == {"staff": -999.9, "store": -500}
    assert (body["entries"], body["users"], body["asOf"]) == (3, 1, "2026-03-05T12:00:00.000Z")


def test_the_newest_anchors_are_shown_and_no_more_than_a_day_of_them(proof, ann):
    for hour in range(27):
        anchors.anchor(now=NOW + timedelta(hours=hour))
    body = proof()
    assert body["head"]["sequence"] == 27
    assert body["head"]["hash"] == bytes(LedgerAnchor.objects.get(pk=27).hash).hex()
    assert [anchor["sequence"] for anchor in body["previous"]] == list(range(26, 2, -1))


def test_it_says_what_the_last_audit_found_good_or_bad(proof, ann):
    tasks.audit_ledger()
    body = proof()
    assert {"name": "balances", "holds": True, "checked": 1} in body["invariants"]
    assert all(invariant["holds"] for invariant in body["invariants"])
    assert body["auditedAt"] is not None
    execute("UPDATE users SET locked_credits = 5")
    with pytest.raises(InvariantsBroken):
        tasks.audit_ledger()
    assert [found["name"] for found in proof()["invariants"] if not found["holds"]] == ["locked"]
    JobRun.objects.create(job="economy.audit_ledger", started_at=NOW + timedelta(days=9999))
    assert [found["name"] for found in proof()["invariants"] if not found["holds"]] == ["locked"]


def test_it_counts_nothing_when_it_is_asked_for(api, ann, django_assert_max_num_queries):
    anchors.anchor(now=NOW)
    with django_assert_max_num_queries(2) as queries:
        api.get("/api/v1/proof")
    assert not [query for query in queries if re.search(r'FROM "?(credit_transactions|users)', query["sql"])]


def test_it_is_public_and_may_be_cached(api, db):
    assert api.get("/api/v1/proof")["Cache-Control"].startswith("public")


def test_the_proof_of_a_user_is_the_users_alone(api, ann):
    headers = {"Authorization": f"Bearer {AccessToken.for_user(ann)}"}
    response = api.get("/api/v1/proof/me", headers=headers)
    ann.refresh_from_db()
    assert response.json() == {
        "success": True,
        "userId": str(ann.pk),
        "balance": 1000.0,
        "entries": 1,
        "head": bytes(ann.ledger_head).hex(),
    }
    assert response["Cache-Control"] == "private, no-store"
    assert api.get("/api/v1/proof/me").status_code == 401


def test_a_user_without_entries_has_no_head(api, db):
    headers = {"Authorization": f"Bearer {AccessToken.for_user(make_user('new'))}"}
    assert api.get("/api/v1/proof/me", headers=headers).json()["head"] is None


@pytest.mark.django_db(transaction=True)
def test_the_recipe_of_the_documentation_recomputes_a_users_chain(live_server):
    ann = make_user("ann", balance=1000)
    bet = {"user_id": ann.pk, "reference_id": ann.pk, "transaction_type": TransactionType.BET_PLACED}
    with transaction.atomic():
        post_many([adjustment(ann, amount, description="Zwei\nZeilen, 🎲") for amount in (3, "-0.1", "66.6")], now=NOW)
        post(Transfer(amount=Decimal(-100), staked=Decimal(100), **bet), now=NOW + timedelta(microseconds=1999))
    (recipe,) = RECIPE.findall((settings.BASE_DIR / "docs" / "ledger.md").read_text())
    known = {"API": live_server.url, "TOKEN": str(AccessToken.for_user(ann))}
    exec(recipe, known)  # noqa: S102 - our own page
    assert (len(known["entries"]), known["head"]) == (5, known["proof"]["head"])
