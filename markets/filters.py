"""Validated query parameters of the market lists."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.forms.utils import ErrorDict, ErrorList
from django_filters import CharFilter, ChoiceFilter, FilterSet, IsoDateTimeFilter, NumberFilter, UUIDFilter
from django_filters.fields import IsoDateTimeField
from django_filters.utils import translate_validation
from drf_spectacular.plumbing import build_choice_description_list
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from core.api.openapi import NOT_BLANK
from core.api.requests import validate_list
from core.api.serializers import ClampedIntegerField, LowerCaseField
from markets.events import EventQuery
from markets.listings import ORDERS, STATUSES, Query
from markets.models import Market, MarketEvent
from markets.polymarket.parsing import CATEGORY_MAX
from markets.rules import (
    CATEGORY_LIMIT,
    CATEGORY_LIMIT_MAX,
    ENDING_SOON,
    EVENT_LIMIT,
    EVENT_LIMIT_MAX,
    EXCLUDE_MAX,
    HOUR,
    LIST_LIMIT,
    LIST_LIMIT_MAX,
    RANDOM_COUNT,
    RANDOM_COUNT_MAX,
    SKIP_MAX,
    Interval,
)

WORDS_MAX = 100
TOO_LONG = "Ensure this field has no more than %(limit_value)d characters."
# What a list is narrowed to and sorted by, under one name.
NAMED_FILTERS: Mapping[str, Mapping[str, Any]] = {
    "ending_soon": {"sort": "ending", "ending_soon": True},
    "trending": {"sort": "trending"},
    "new": {"sort": "newest"},
}
# In the words of DRF's serializers, as all messages.
NUMBER_ERRORS = {"invalid": serializers.DecimalField.default_error_messages["invalid"]}
UUID_ERRORS = {"invalid": serializers.UUIDField.default_error_messages["invalid"]}
TIME_ERRORS = {"invalid": "A valid date and time is required, in ISO 8601."}
CHOICE_ERRORS = {"invalid_choice": '"%(value)s" is not a valid choice.'}


class TextField(forms.CharField):
    """Text that isn't blank where it is given, with the messages of DRF's serializers."""

    def to_python(self, value: str | None) -> str:
        text = super().to_python(value)
        if value and not text:
            raise forms.ValidationError("This field may not be blank.", code="blank")
        return text or ""


class LowerCaseTextField(TextField):
    """Text that counts in any case: the value is in lower case."""

    def to_python(self, value: str | None) -> str:
        return super().to_python(value).lower()


class TextFilter(CharFilter):  # type: ignore[misc]  # django-filter has no types
    field_class = TextField


class LowerCaseTextFilter(CharFilter):  # type: ignore[misc]
    field_class = LowerCaseTextField


class UtcTimeField(IsoDateTimeField):  # type: ignore[misc]
    """A time in ISO 8601, in UTC; without an offset it is UTC already."""

    def to_python(self, value: str | None) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as exc:  # the first hours of the year 1 east of Greenwich
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from exc


class UtcTimeFilter(IsoDateTimeFilter):  # type: ignore[misc]
    field_class = UtcTimeField


class MarketFilter(FilterSet):  # type: ignore[misc]
    """What the list of markets can be narrowed to, and its order. Its values are read; no queryset is built."""

    status = ChoiceFilter(choices=[(status, status) for status in (*STATUSES, "all")], error_messages=CHOICE_ERRORS)
    category = LowerCaseTextFilter(max_length=CATEGORY_MAX, error_messages={"max_length": TOO_LONG})
    q = TextFilter(max_length=WORDS_MAX, error_messages={"max_length": TOO_LONG})
    minLiquidity = NumberFilter(
        field_name="min_liquidity", min_value=0, max_digits=18, decimal_places=2, error_messages=NUMBER_ERRORS
    )
    maxSpread = NumberFilter(
        field_name="max_spread", min_value=0, max_value=1, max_digits=5, decimal_places=4, error_messages=NUMBER_ERRORS
    )
    expiresBefore = UtcTimeFilter(field_name="expires_before", error_messages=TIME_ERRORS)
    expiresAfter = UtcTimeFilter(field_name="expires_after", error_messages=TIME_ERRORS)
    eventId = UUIDFilter(field_name="event_id", error_messages=UUID_ERRORS)
    sort = ChoiceFilter(choices=[(sort, sort) for sort in ORDERS], error_messages=CHOICE_ERRORS)
    filter = ChoiceFilter(choices=[(name, name) for name in NAMED_FILTERS], error_messages=CHOICE_ERRORS)

    class Meta:
        model = Market
        fields: tuple[str, ...] = ()


class MarketPage(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    skip = serializers.IntegerField(min_value=0, max_value=SKIP_MAX, default=0)
    cursor = serializers.CharField(max_length=300, required=False, help_text="`nextCursor` of the page before.")


# The declared fields and the page, made once and shared by threads: validating changes nothing in them. A FilterSet of
# every request would copy its fields and build a form: 0.35 ms, a third of a page, where this takes 0.04 ms.
FILTER_FIELDS: Mapping[str, forms.Field] = {name: each.field for name, each in MarketFilter.base_filters.items()}
FIELD_NAMES: Mapping[str, str] = {name: each.field_name for name, each in MarketFilter.base_filters.items()}
PAGE = MarketPage()


def validate_market_list(parameters: Mapping[str, Any]) -> Query:
    """Return the query that the parameters make. Raises one ValidationError for all that is wrong."""
    values: dict[str, Any] = {}
    wrong = ErrorDict()
    for name, field in FILTER_FIELDS.items():
        try:
            values[name] = field.clean(parameters.get(name))
        except forms.ValidationError as exc:
            wrong[name] = ErrorList(exc.error_list)
    errors = dict(translate_validation(wrong).detail)
    try:
        page = PAGE.run_validation(parameters)
    except serializers.ValidationError as exc:
        page, errors = {}, errors | dict(exc.detail)  # type: ignore[arg-type]
    if not errors and page["skip"] and "cursor" in page:
        errors = {"skip": [ErrorDetail("Give either skip or cursor.", code="conflict")]}
    named = NAMED_FILTERS.get(values.pop("filter", ""), {})
    if named and values.get("sort") not in ("", None, named["sort"]):
        errors = {"filter": [ErrorDetail("Give either sort or filter.", code="conflict")], **errors}
    if errors:
        raise serializers.ValidationError(errors)
    given = {FIELD_NAMES[name]: value for name, value in values.items() if value not in (None, "")}
    return Query(**{**given, **named, **page})


def choices_of(name: str) -> dict[str, Any]:
    values = [value for value, _ in MarketFilter.base_filters[name].extra["choices"]]
    return {
        "type": {"enum": values, "type": "string", "default": getattr(Query(), name)},
        "description": build_choice_description_list(zip(values, values, strict=True)),
    }


MARKET_LIST_PARAMETERS = [
    OpenApiParameter("status", **choices_of("status")),
    OpenApiParameter("category", {"type": "string", "maxLength": CATEGORY_MAX}, description="In any case."),
    OpenApiParameter(
        "q",
        {"type": "string", "maxLength": WORDS_MAX},
        description="Words, or beginnings of words, of the title or its event's; case, accents and signs don't matter. "
        "As `trending` the best match comes first. Where nothing is found, a wrong letter in a word doesn't matter.",
    ),
    OpenApiParameter(
        "minLiquidity",
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10**16},
        description="In US dollars. House markets have none.",
    ),
    OpenApiParameter(
        "maxSpread",
        {"type": "number", "minimum": 0, "maximum": 1},
        description="Of open markets alone; one whose bid or ask is unknown doesn't match.",
    ),
    OpenApiParameter(
        "expiresBefore",
        {"type": "string", "format": "date-time"},
        description="Exclusive. In ISO 8601, UTC without an offset. A market without an end doesn't match.",
    ),
    OpenApiParameter("expiresAfter", {"type": "string", "format": "date-time"}, description="Likewise, but inclusive."),
    OpenApiParameter("eventId", {"type": "string", "format": "uuid"}, description="Of one event: its `id`."),
    OpenApiParameter("sort", **choices_of("sort")),
    OpenApiParameter(
        "filter",
        {"type": "string", "enum": [*NAMED_FILTERS], "minLength": 1},
        description=f"`ending_soon`: what ends within {ENDING_SOON // HOUR} hours, the next first. `trending` and "
        "`new`: as `sort`, which says the same or is left out.",
    ),
    MarketPage,
]


class EventFilter(FilterSet):  # type: ignore[misc]
    """What the list of events can be narrowed to, and its order. Its values are read; no queryset is built."""

    category = LowerCaseTextFilter(max_length=CATEGORY_MAX, error_messages={"max_length": TOO_LONG})
    q = TextFilter(max_length=WORDS_MAX, error_messages={"max_length": TOO_LONG})
    sort = ChoiceFilter(choices=[(sort, sort) for sort in ORDERS], error_messages=CHOICE_ERRORS)

    class Meta:
        model = MarketEvent
        fields: tuple[str, ...] = ()


class EventPage(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, max_value=EVENT_LIMIT_MAX, default=EVENT_LIMIT)
    # Has the words of `q` in it, each letter of up to 4 bytes.
    cursor = serializers.CharField(max_length=1_000, required=False, help_text="`nextCursor` of the page before.")


def validate_event_list(parameters: Mapping[str, Any]) -> EventQuery:
    """Return the query that the parameters make. Raises one ValidationError for all that is wrong."""
    given = validate_list(EventFilter, EventPage, parameters)
    return EventQuery(**{**given, "sort": given["sort"] or Query().sort})


EVENT_LIST_PARAMETERS = [
    *(each for each in MARKET_LIST_PARAMETERS if getattr(each, "name", "") in ("category", "sort")),
    OpenApiParameter(
        "q",
        {"type": "string", "maxLength": WORDS_MAX, "minLength": 1},
        description="Words, or beginnings of words, of its title or of an open market's, as in the list of markets.",
    ),
    EventPage,
]


class RandomQuery(serializers.Serializer[dict[str, Any]]):
    count = ClampedIntegerField(low=1, high=RANDOM_COUNT_MAX, default=RANDOM_COUNT)
    category = LowerCaseField(max_length=CATEGORY_MAX, required=False)
    exclude = serializers.CharField(required=False, help_text="Ids, separated by commas.")

    def validate_exclude(self, text: str) -> frozenset[str]:
        ids = [part.strip() for part in re.split(r"[,\s]+", text) if part.strip()]
        if len(ids) > EXCLUDE_MAX:
            too_long = serializers.ListField.default_error_messages["max_length"].format(max_length=EXCLUDE_MAX)
            raise serializers.ValidationError(too_long, code="max_length")
        return frozenset(name.lower() for name in ids)


CATEGORY = OpenApiParameter(
    "category",
    {"type": "string", "minLength": 1, "pattern": NOT_BLANK},
    OpenApiParameter.PATH,
    description="In any case.",
)


class CategoryLimit(serializers.Serializer[dict[str, Any]]):
    limit = ClampedIntegerField(low=1, high=CATEGORY_LIMIT_MAX, default=CATEGORY_LIMIT)


class CategoryQuery(serializers.Serializer[dict[str, Any]]):
    category = LowerCaseField()


class HistoryQuery(serializers.Serializer[dict[str, Any]]):
    interval = serializers.ChoiceField(
        choices=[
            (Interval.HOUR, "An hour"),
            (Interval.SIX_HOURS, "Six hours"),
            (Interval.DAY, "A day"),
            (Interval.WEEK, "A week"),
            (Interval.MONTH, "30 days"),
            (Interval.MAX, "All that is known"),
        ],
        default=Interval.DAY,
        help_text="How far back from now, or from the end of a market that is over.",
    )
