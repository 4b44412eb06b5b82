"""Users who buy credits through the API, and what must be true of the ledger afterwards."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.staff import StaffMember
from economy.ledger.audit import audit
from economy.models import CreditTransaction
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.services import refund_purchase
from tests.economy.factories import make_user, staff_actions

PURCHASES = "/api/v1/purchases"
NOW = datetime(2100, 3, 5, 12, tzinfo=UTC)  # later than what the API did in the test


@dataclass(slots=True)
class Buyer:
    id: UUID
    token: str

    def post(self, body: Any, **headers: str) -> Any:
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        text = body if isinstance(body, str) else json.dumps(body)
        client = Client(raise_request_exception=False)
        return client.post(PURCHASES, text, content_type="application/json", headers=sent)

    def buy(self, package: str = "starter", **more: Any) -> dict[str, Any]:
        """A purchase that must succeed, and be new."""
        return read(self.post({"packageId": package, **more}), 201)["purchase"]

    def mine(self) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}"}
        return read(Client().get(f"{PURCHASES}/me", headers=headers))["purchases"]

    @property
    def balance(self) -> Decimal:
        return User.objects.values_list("credit_balance", flat=True).get(pk=self.id)

    def ledger_entries(self) -> list[tuple[str, Decimal]]:
        rows = CreditTransaction.objects.filter(user=self.id).order_by("sequence")
        return list(rows.values_list("transaction_type", "amount"))


def arrive(username: str, **fields: Any) -> Buyer:
    user = make_user(username, **fields)
    return Buyer(user.pk, str(AccessToken.for_user(user)))


def read(response: Any, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    body: dict[str, Any] = response.json()
    assert (body["success"], body["code"]) == (False, code)
    return body


def refund(purchase: dict[str, Any], staff: Buyer, reason: str = "Asked for.") -> CreditPurchase:
    by = StaffMember(User.objects.get(pk=staff.id), "192.0.2.7")
    return refund_purchase(purchase_id=UUID(purchase["id"]), by=by, reason=reason, now=NOW)


def everything() -> list[Any]:
    """Return all that a refusal must leave as it was."""
    return [
        list(CreditPurchase.objects.order_by("pk").values()),
        list(PurchaseEvent.objects.order_by("pk").values()),
        CreditTransaction.objects.count(),
        staff_actions().count(),
        list(User.objects.order_by("pk").values_list("credit_balance", flat=True)),
    ]


def assert_audit_passes() -> None:
    report = audit()
    assert {"purchases", "purchase_trails", "chains"} <= report.findings.keys()
    assert report.passed, report.as_dict()
