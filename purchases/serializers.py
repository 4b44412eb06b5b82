"""Shapes in, checked; shapes out, for the schema."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from economy.serializers import CREDITS
from purchases.models import CreditPurchase

USD: dict[str, Any] = {"max_digits": 10, "decimal_places": 2, "coerce_to_string": False}


class ExternalId(serializers.CharField):
    """A name: a number isn't one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class CreditPurchaseRequest(serializers.Serializer[dict[str, Any]]):
    packageId = serializers.CharField(source="package_id", max_length=200)
    provider = serializers.CharField(source="provider_name", max_length=50, default="manual")
    externalId = ExternalId(
        source="external_id",
        max_length=255,
        required=False,
        allow_null=True,
        help_text="Names this payment: sent again, it finds the first purchase.",
    )


class PackageSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.CharField()
    credits = serializers.DecimalField(**CREDITS)
    usd = serializers.DecimalField(**USD)
    # As a field it hides DRF's own attribute of that name, which nobody asks of a schema.
    label = serializers.CharField()  # type: ignore[assignment]


class PurchaseSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    packageId = serializers.CharField()
    creditsGranted = serializers.DecimalField(**CREDITS, help_text="0 while it isn't paid.")
    usdAmount = serializers.DecimalField(**USD)
    status = serializers.ChoiceField(choices=CreditPurchase.Status.choices)
    provider = serializers.CharField()
    externalId = serializers.CharField()
    checkoutUrl = serializers.URLField(allow_null=True, help_text="Where to pay, while that is to be done.")
    createdAt = serializers.DateTimeField()


def answer(name: str, **fields: serializers.Field[Any, Any, Any, Any]) -> serializers.Serializer[Any]:
    return inline_serializer(name, {"success": serializers.BooleanField(), **fields})


PackageList = answer(
    "PackageList",
    packages=PackageSchema(many=True),
    providers=serializers.ListField(child=serializers.CharField(), help_text="Those offered here."),
)
PurchaseAnswer = answer("PurchaseAnswer", purchase=PurchaseSchema(), newBalance=serializers.DecimalField(**CREDITS))
PurchaseList = answer("PurchaseList", purchases=PurchaseSchema(many=True))
Received = answer("WebhookReceived")
