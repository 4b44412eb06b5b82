"""Validated query parameters of the list of the current user's bets."""

from typing import Any

from django import forms
from django_filters import CharFilter, ChoiceFilter, FilterSet
from drf_spectacular.plumbing import build_choice_description_list
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from betting.models import Bet
from betting.orders import REFERENCE_MAX
from betting.rules import LIST_LIMIT, LIST_LIMIT_MAX, OFFSET_MAX
from core.api.requests import parse_uuid
from markets.selectors import CONDITION_ID

MARKET_HELP = "Our UUID or the condition id."


class BetFilterForm(forms.Form):
    """A parameter that is given has a value, and `marketId` has the form of a market's id."""

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.data.items() if name in self.fields}
        if given.get("status") == "":
            self.add_error("status", forms.ValidationError('"" is not a valid choice.', code="invalid_choice"))
        if "marketId" in given and not given["marketId"].strip():
            self.add_error("marketId", forms.ValidationError("This field may not be blank.", code="blank"))
        market = self.cleaned_data.get("marketId")
        if market and not parse_uuid(market) and not CONDITION_ID.fullmatch(market):
            self.add_error("marketId", forms.ValidationError("This names no market.", code="invalid"))
        return self.cleaned_data


class BetFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """What the list can be narrowed to. Its values are read; no queryset is built: a page is one statement."""

    status = ChoiceFilter(
        choices=Bet.Status.choices, error_messages={"invalid_choice": '"%(value)s" is not a valid choice.'}
    )
    marketId = CharFilter(
        max_length=REFERENCE_MAX,
        error_messages={"max_length": f"Ensure this field has no more than {REFERENCE_MAX} characters."},
    )

    class Meta:
        model = Bet
        form = BetFilterForm
        fields: tuple[str, ...] = ()


class BetPage(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)


BET_PARAMETERS = [
    OpenApiParameter(
        "status",
        {"enum": Bet.Status.values, "type": "string", "minLength": 1},
        allow_blank=False,
        description=build_choice_description_list(Bet.Status.choices),
    ),
    OpenApiParameter(
        "marketId",
        {"type": "string", "maxLength": REFERENCE_MAX, "minLength": 1, "pattern": "^[!-~]+$"},
        allow_blank=False,
        description=MARKET_HELP,
    ),
    BetPage,
]
