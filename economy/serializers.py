"""Shapes in, checked; shapes out, for the schema: rows are rendered as the database gives them."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from core.api.serializers import ClampedIntegerField
from economy.models import TransactionType
from economy.rules import LIST_LIMIT, LIST_LIMIT_MAX, OFFSET_MAX

CREDITS: dict[str, Any] = {"max_digits": 18, "decimal_places": 2, "coerce_to_string": False}


class TransactionsQuery(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=TransactionType.choices, required=False, allow_blank=True)
    limit = ClampedIntegerField(low=1, high=LIST_LIMIT_MAX, default=LIST_LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)
    cursor = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="`nextCursor` of the page before."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["offset"] and attrs.get("cursor"):
            raise serializers.ValidationError({"offset": "Give either offset or cursor."}, code="conflict")
        # An empty field of a form is no wish.
        return {name: value for name, value in attrs.items() if value != ""}


class TransactionSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    amount = serializers.DecimalField(**CREDITS, help_text="Positive to the user, negative from the user.")
    transactionType = serializers.ChoiceField(choices=TransactionType.choices)
    referenceId = serializers.UUIDField(help_text="The bet, purchase, reward, trade or user it is about.")
    balanceAfter = serializers.DecimalField(**CREDITS)
    description = serializers.CharField()
    createdAt = serializers.DateTimeField()


TransactionList = inline_serializer(
    "TransactionList",
    {
        "success": serializers.BooleanField(),
        "transactions": TransactionSchema(many=True),
        "total": serializers.IntegerField(),
        "limit": serializers.IntegerField(),
        "offset": serializers.IntegerField(),
        "nextCursor": serializers.CharField(allow_null=True),
    },
)


class DailyCreditsSchema(serializers.Serializer[dict[str, Any]]):
    success = serializers.BooleanField()
    creditsAwarded = serializers.DecimalField(**CREDITS, help_text="0 where this UTC day was rewarded already.")
    consecutiveDays = serializers.IntegerField()
    nextAvailableAt = serializers.DateTimeField(help_text="The next midnight, UTC.")
    newBalance = serializers.DecimalField(**CREDITS)


class ReferredUserSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    joinedAt = serializers.DateTimeField()


ReferralsAnswer = inline_serializer(
    "Referrals",
    {
        "success": serializers.BooleanField(),
        "referralCode": serializers.CharField(),
        "referralCount": serializers.IntegerField(),
        "referralCreditsEarned": serializers.DecimalField(**CREDITS),
        "referredUsers": ReferredUserSchema(many=True),
    },
)
