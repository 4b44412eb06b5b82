from functools import partial
from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.api.idempotency import HEADER, Act, idempotent
from core.api.openapi import operation
from core.api.requests import current_user_id, validate
from core.api.responses import PublicReadsMixin, json_response, private, with_aliases
from purchases import events, rules, services
from purchases.errors import (
    ExternalIdTaken,
    InvalidPackage,
    InvalidSignature,
    PaymentUnavailable,
    ProviderNotOffered,
)
from purchases.providers import StripeProvider, offered_providers, verify_signature
from purchases.serializers import (
    PACKAGE_LIST_ALIASES,
    PURCHASE_LIST_ALIASES,
    CreditPurchaseRequest,
    PackageListResponse,
    PackageSerializer,
    PurchaseListResponse,
    PurchaseResponse,
    PurchaseSerializer,
    WebhookResponse,
)
from purchases.services import PreparedPurchase


class PackageViewSet(PublicReadsMixin, ViewSet):
    """What can be bought, the same for everybody."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    cached_actions: ClassVar[frozenset[str]] = frozenset({"list"})

    @operation(
        operation_id="purchases_packages",
        summary="Packages of credits, and how they can be paid for",
        responses=PackageListResponse,
        tags=["purchases"],
    )
    def list(self, request: Request) -> HttpResponse:
        packages = [PackageSerializer.from_object(package) for package in rules.packages().values()]
        shown = with_aliases(PACKAGE_LIST_ALIASES, packages=packages, providers=offered_providers())
        return json_response(**shown)


class PurchaseViewSet(ViewSet):
    """The current user's purchases."""

    @operation(
        operation_id="purchases_create",
        summary="Buy a package; the same provider and externalId again is the first purchase",
        request=CreditPurchaseRequest,
        responses={201: PurchaseResponse, 200: PurchaseResponse},
        errors=[InvalidPackage, ProviderNotOffered, ExternalIdTaken, PaymentUnavailable],
        tags=["purchases"],
    )
    @idempotent
    def create(self, request: Request) -> Act:
        fields = validate(CreditPurchaseRequest, request.data)
        prepared = services.prepare_purchase(
            user_id=current_user_id(request),
            request_key=request.headers.get(HEADER, ""),
            **{**fields, "external_id": fields.get("external_id") or ""},
        )
        return partial(self.buy, prepared)

    def buy(self, prepared: PreparedPurchase) -> HttpResponse:
        bought = services.buy(prepared, now=timezone.now())
        purchase = PurchaseSerializer.from_object(bought.purchase)
        return private(json_response(201 if bought.is_new else 200, purchase=purchase, newBalance=bought.balance))

    @operation(
        operation_id="purchases_mine",
        summary="The user's purchases, newest first",
        responses=PurchaseListResponse,
        tags=["purchases"],
    )
    def mine(self, request: Request) -> HttpResponse:
        purchases = [PurchaseSerializer.from_object(each) for each in services.list_purchases(current_user_id(request))]
        return private(json_response(**with_aliases(PURCHASE_LIST_ALIASES, purchases=purchases)))


class StripeWebhookViewSet(ViewSet):
    """Receives Stripe's events, which are signed, so no user is signed in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="purchases_stripe_webhook",
        summary="For Stripe: an event, signed in `Stripe-Signature`",
        request={"application/json": {"type": "object"}},
        responses=WebhookResponse,
        errors=[InvalidSignature, NotFound],
        tags=["purchases"],
    )
    def receive(self, request: Request) -> HttpResponse:
        if not StripeProvider().is_offered():
            raise NotFound
        now = timezone.now()
        # The bytes as they came: they are what is signed.
        body = request._request.body  # noqa: SLF001
        verify_signature(body, request.headers.get("Stripe-Signature", ""), now=now.timestamp())
        events.receive_event(body, now=now)
        return private(json_response())
