"""Forms of house markets: make one, edit it, move its odds."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.staff import StaffMember
from betting.models import Bet
from betting.pricing import potential_payout
from markets import house
from markets.models import Market
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import credits_of, page_of, percent_of

Text = UnfoldAdminTextInputWidget
HUNDRED = Decimal(100)


class Percent(forms.DecimalField):
    """Odds as a person says them: 62.5 is the probability 0.625."""

    def __init__(self, **options: Any) -> None:
        bounds = {"min_value": Decimal("0.01"), "max_value": Decimal("99.99"), "max_digits": 4, "decimal_places": 2}
        widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01"})
        super().__init__(**{**bounds, "widget": widget, **options})

    def prepare_value(self, value: Any) -> Any:
        return f"{(value * 100).normalize():f}" if isinstance(value, Decimal) else value

    def clean(self, value: Any) -> Decimal:
        percent: Decimal = super().clean(value)
        return percent / 100


class QuestionForm(ReasonForm):
    """Times are UTC."""

    title = forms.CharField(max_length=500, widget=Text())
    this_option = forms.CharField(max_length=100, label="THIS", widget=Text())
    that_option = forms.CharField(max_length=100, label="THAT", widget=Text())
    description = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), help_text="How it will be decided."
    )
    category = forms.SlugField(
        max_length=50, initial="general", widget=Text(), help_text="In lower case: a-z, 0-9 and hyphens."
    )
    image_url = forms.URLField(
        max_length=2000, label="Picture", assume_scheme="https", widget=Text(), help_text="The picture's address."
    )
    expires_at = forms.DateTimeField(
        required=False,
        label="Ends, UTC",
        help_text="Without an end it is open until staff close it.",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )
    field_order = [
        *("title", "this_option", "that_option", "this_odds", "expires_at", "category", "image_url", "description"),
        "reason",
    ]


class CreationForm(QuestionForm):
    this_odds = Percent(label="Odds of THIS, %", help_text="The probability that THIS wins.")


class EditionForm(QuestionForm):
    """With bets on it, the terms can be read and not changed."""

    def __init__(self, *given: Any, fixed: bool, **options: Any) -> None:
        super().__init__(*given, **options)
        for name in house.TERMS if fixed else ():
            self.fields[name].disabled = True
            self.fields[name].help_text = "Somebody has bet on it: this stays."


class OddsForm(ReasonForm):
    this_odds = Percent(label="Odds of THIS, %")
    field_order = ["this_odds", "reason"]


def asked_in(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in house.ASKED}


def creation(by: StaffMember) -> Confirmation:
    def act(said: Mapping[str, Any]) -> str:
        question, now = house.Question(**asked_in(said)), timezone.now()
        house.create_house_market(question, this_odds=said["this_odds"], by=by, reason=said["reason"], now=now)
        return f"Made, and open: {question.title}"

    return Confirmation(
        title="New house market",
        button="Open the market",
        back=reverse("admin:markets_market_changelist"),
        act=act,
        form=CreationForm,
        warning="It is open for bets at once. The house pays what wins.",
    )


def edition(market: Market, by: StaffMember) -> Confirmation:
    def act(said: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {"by": by, "reason": said["reason"], "now": timezone.now()}
        changes = {name: value for name, value in asked_in(said).items() if value != shown[name]}
        house.edit_house_market(market_id=market.pk, changes=changes, anyone_bet=anyone_bet, **given)
        return "Changed."

    fixed, shown = anyone_bet(market.pk), shown_of(market)
    return Confirmation(
        title=f"{market.title} · Edit it",
        button="Change the market",
        back=page_of(market),
        act=act,
        form=partial(EditionForm, fixed=fixed),
        warning="Somebody has bet on it: its title, options and description stay." if fixed else "",
        initial=shown,
    )


def shown_of(market: Market) -> dict[str, Any]:
    """What the form begins with: to the second."""
    shown = {name: getattr(market, name) for name in house.ASKED}
    return shown | {"expires_at": market.expires_at and market.expires_at.replace(microsecond=0)}


def odds_change(market: Market, by: StaffMember) -> Confirmation:
    def act(said: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {"by": by, "reason": said["reason"], "now": timezone.now()}
        changed = house.change_odds(market_id=market.pk, this_odds=said["this_odds"], **given)
        return f"{changed.this_option} is at {percent_of(changed.this_odds)} now."

    return Confirmation(
        title=f"{market.title} · Change the odds",
        button="Change the odds",
        back=page_of(market),
        act=act,
        form=OddsForm,
        warning="For bets and sales from now on. The bets there are keep the odds that they were placed at.",
        facts={
            f"THIS: {market.this_option}": percent_of(market.this_odds),
            f"THAT: {market.that_option}": percent_of(market.that_odds),
            "100 credits on THIS pay": credits_of(potential_payout(HUNDRED, market.this_odds)),
            "100 credits on THAT pay": credits_of(potential_payout(HUNDRED, market.that_odds)),
        },
        initial={"this_odds": market.this_odds},
    )


def anyone_bet(market_id: UUID) -> bool:
    return Bet.objects.filter(market_id=market_id).exists()
