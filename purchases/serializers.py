"""Requests and responses of purchases. PurchaseSerializer is the one declaration of a purchase's fields."""

from typing import Any

from rest_framework import serializers

from core.api.serializers import CreditsField, ResourceSerializer, TextField, response_schema
from purchases.models import CreditPurchase


class UsdField(CreditsField):
    """US dollars."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 10, **kwargs})


class CreditPurchaseRequest(serializers.Serializer[dict[str, Any]]):
    packageId = TextField(source="package_id", max_length=200)
    provider = TextField(source="provider_name", max_length=50, default="manual")
    externalId = TextField(
        source="external_id",
        max_length=255,
        required=False,
        allow_null=True,
        help_text="Names this payment: sent again, it finds the first purchase.",
    )


class PackageSerializer(ResourceSerializer):
    """A package of credits that is sold; `usd` is its price."""

    id = serializers.CharField()
    credits = CreditsField()
    usd = UsdField()
    # As a field it hides DRF's own attribute of that name, which nothing reads of a schema.
    label = serializers.CharField()  # type: ignore[assignment]


class PurchaseSerializer(ResourceSerializer):
    """A purchase, as its user sees it."""

    id = serializers.UUIDField()
    packageId = TextField(source="package_id")
    creditsGranted = CreditsField(source="credits_granted", help_text="0 while it isn't paid.")
    usdAmount = UsdField(source="usd_amount")
    status = serializers.ChoiceField(choices=CreditPurchase.Status.choices)
    provider = serializers.CharField()
    externalId = serializers.CharField(source="external_id")
    checkoutUrl = serializers.URLField(
        source="pending_checkout_url", allow_null=True, help_text="Where to pay, while that is to be done."
    )
    createdAt = serializers.DateTimeField(source="created_at")


PACKAGE_LIST_ALIASES = {"data": "packages"}
PackageListResponse = response_schema(
    "PackageListResponse",
    PACKAGE_LIST_ALIASES,
    packages=PackageSerializer(many=True),
    providers=serializers.ListField(child=serializers.CharField(), help_text="Those offered here."),
)
PurchaseResponse = response_schema("PurchaseResponse", purchase=PurchaseSerializer(), newBalance=CreditsField())
PURCHASE_LIST_ALIASES = {"data": "purchases"}
PurchaseListResponse = response_schema(
    "PurchaseListResponse", PURCHASE_LIST_ALIASES, purchases=PurchaseSerializer(many=True)
)
WebhookResponse = response_schema("WebhookResponse")
