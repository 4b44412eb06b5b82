"""Validated query parameters of the list of the current user's ledger entries."""

from typing import Any

from django_filters import ChoiceFilter, FilterSet
from drf_spectacular.plumbing import build_choice_description_list
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from core.api.serializers import ClampedIntegerField
from economy.models import CreditTransaction, TransactionType
from economy.rules import LIST_LIMIT, LIST_LIMIT_MAX, OFFSET_MAX


class TransactionFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """What the list can be narrowed to. Its value is read; no queryset is built: a page is one statement."""

    type = ChoiceFilter(
        choices=TransactionType.choices, error_messages={"invalid_choice": '"%(value)s" is not a valid choice.'}
    )

    class Meta:
        model = CreditTransaction
        fields: tuple[str, ...] = ()


class TransactionPage(serializers.Serializer[dict[str, Any]]):
    """Which page of the list: `offset` and `cursor` exclude each other, and an empty cursor is none."""

    limit = ClampedIntegerField(low=1, high=LIST_LIMIT_MAX, default=LIST_LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)
    cursor = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="`nextCursor` of the page before."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["offset"] and attrs.get("cursor"):
            raise serializers.ValidationError({"offset": "Give either offset or cursor."}, code="conflict")
        return {**attrs, "cursor": attrs.get("cursor") or None}


TRANSACTION_PARAMETERS = [
    OpenApiParameter(
        "type",
        {"enum": [*TransactionType.values, ""], "type": "string"},
        description=build_choice_description_list(TransactionType.choices),
    ),
    TransactionPage,
]
