"""Validated query parameters of the market lists."""

import re
from typing import Any

from rest_framework import serializers

from core.api.serializers import ClampedIntegerField, LowerCaseField
from markets.listings import ORDERS, STATUSES
from markets.rules import (
    CATEGORY_LIMIT,
    CATEGORY_LIMIT_MAX,
    EXCLUDE_MAX,
    LIST_LIMIT,
    LIST_LIMIT_MAX,
    RANDOM_COUNT,
    RANDOM_COUNT_MAX,
    SKIP_MAX,
)


class ListQuery(serializers.Serializer[dict[str, Any]]):
    status = serializers.ChoiceField(choices=[*STATUSES, "all"], default="open")
    category = LowerCaseField(max_length=50, required=False, help_text="In any case.")
    q = serializers.CharField(max_length=100, required=False, help_text="Words, or beginnings of words, of the title.")
    sort = serializers.ChoiceField(choices=list(ORDERS), default="trending")
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    skip = serializers.IntegerField(min_value=0, max_value=SKIP_MAX, default=0)
    cursor = serializers.CharField(max_length=300, required=False, help_text="`nextCursor` of the page before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["skip"] and "cursor" in attrs:
            raise serializers.ValidationError({"skip": "Give either skip or cursor."}, code="conflict")
        return attrs


class RandomQuery(serializers.Serializer[dict[str, Any]]):
    count = ClampedIntegerField(low=1, high=RANDOM_COUNT_MAX, default=RANDOM_COUNT)
    category = LowerCaseField(max_length=50, required=False)
    exclude = serializers.CharField(required=False, help_text="Ids, separated by commas.")

    def validate_exclude(self, text: str) -> frozenset[str]:
        ids = [part.strip() for part in re.split(r"[,\s]+", text) if part.strip()]
        if len(ids) > EXCLUDE_MAX:
            raise serializers.ValidationError(f"At most {EXCLUDE_MAX} ids.", code="max_length")
        return frozenset(name.lower() for name in ids)


class CategoryLimit(serializers.Serializer[dict[str, Any]]):
    limit = ClampedIntegerField(low=1, high=CATEGORY_LIMIT_MAX, default=CATEGORY_LIMIT)


class CategoryQuery(CategoryLimit):
    category = LowerCaseField()
