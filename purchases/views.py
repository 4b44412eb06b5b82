from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.api.idempotency import HEADER, HEADER_PARAMETER, Act, idempotent
from core.api.json import dumps
from core.api.responses import PublicReadsMixin, rendered
from purchases import serializers as shapes
from purchases import services
from purchases.providers import offered
from purchases.providers.stripe import Stripe
from purchases.providers.stripe_webhook import check_signature, read_event
from purchases.rendering import as_contract
from purchases.rules import packages
from purchases.selectors import list_purchases
from purchases.services import Order
from purchases.stripe_events import take_in


def private(body: dict[str, Any], *, status: int = 200) -> HttpResponse:
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(dumps(body), status=status, content_type="application/json", headers=headers)


class PackageViewSet(PublicReadsMixin, ViewSet):
    """What can be bought, alike for everybody."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    cached_actions: ClassVar[frozenset[str]] = frozenset({"list"})

    @extend_schema(
        operation_id="purchases_packages",
        summary="Packages of credits, and how they can be paid for",
        responses=shapes.PackageList,
        tags=["purchases"],
    )
    def list(self, request: Request) -> HttpResponse:
        shown = [
            {"id": package.id, "credits": package.credits, "usd": package.usd, "label": package.label}
            for package in packages().values()
        ]
        return rendered({"success": True, "packages": shown, "providers": offered()})


class PurchaseViewSet(ViewSet):
    """The user's purchases."""

    @extend_schema(
        operation_id="purchases_create",
        summary="Buy a package; the same provider and externalId again is the first purchase",
        parameters=[HEADER_PARAMETER],
        request=shapes.CreditPurchaseRequest,
        responses={201: shapes.PurchaseAnswer, 200: shapes.PurchaseAnswer},
        tags=["purchases"],
    )
    @idempotent
    def create(self, request: Request) -> Act:
        given = shapes.CreditPurchaseRequest(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = {**given.validated_data, "external_id": given.validated_data.get("external_id") or ""}
        who: dict[str, Any] = {"user_id": request.user.pk, "request_key": request.headers.get(HEADER, "")}
        return partial(self.book, services.begin_purchase(**who, **wanted))

    def book(self, order: Order) -> HttpResponse:
        bought = services.buy(order, now=timezone.now())
        body = {"success": True, "purchase": as_contract(bought.purchase), "newBalance": bought.balance}
        return private(body, status=201 if bought.is_new else 200)

    @extend_schema(
        operation_id="purchases_mine",
        summary="The user's purchases, newest first",
        responses=shapes.PurchaseList,
        tags=["purchases"],
    )
    def mine(self, request: Request) -> HttpResponse:
        found = list_purchases(cast("UUID", request.user.pk))
        return private({"success": True, "purchases": [as_contract(purchase) for purchase in found]})


class StripeWebhookViewSet(ViewSet):
    """What Stripe tells. Signed, so nobody is signed in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="purchases_stripe_webhook",
        summary="For Stripe: an event, signed in `Stripe-Signature`",
        request={"application/json": {"type": "object"}},
        responses=shapes.Received,
        tags=["purchases"],
    )
    def receive(self, request: Request) -> HttpResponse:
        if not Stripe().is_offered():
            raise NotFound
        now = timezone.now()
        # The bytes as they came: they are what is signed.
        body = request._request.body  # noqa: SLF001
        check_signature(body, request.headers.get("Stripe-Signature", ""), now=now.timestamp())
        event = read_event(body)
        if event:
            take_in(event, now=now)
        return private({"success": True})
