"""What staff may do about a market, and the page before it: whom it pays or takes from, and how much."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from uuid import UUID

from django import forms
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Permission
from accounts.staff import StaffMember
from betting.models import Bet
from betting.orders import potential_payout
from betting.reversal import PREVIEW_LIMIT, preview_reversal, reverse_settlement
from betting.selectors import get_open_exposure
from betting.settlement import PREVIEW_LIMIT as RECEIVERS_SHOWN
from betting.settlement import SettlementPreview, preview_settlement, retry_settlement
from markets import house
from markets.models import Market
from markets.resolution import staff as verdicts
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import credits_of, page_of, percent_of

Status = Market.Status
NOT_OVER = (Status.OPEN, Status.CLOSED)
OVER = (Status.RESOLVED, Status.CANCELLED)
Outcome = Literal["this", "that", "invalid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A button of a market's page in some statuses, for who has the permission; `page` asks before it is done.

    `button` is a format for the market.
    """

    button: str
    permission: Permission
    statuses: tuple[Market.Status, ...]
    page: Callable[[Market, StaffMember], Confirmation]
    house_only: bool = False
    open_bets_only: bool = False
    variant: Literal["default", "primary", "danger"] = "default"

    def called(self, market: Market) -> str:
        return self.button.format(market=market)

    def fits(self, market: Market) -> bool:
        return market.status in self.statuses and not (self.house_only and market.market_type != Market.Type.CREDITS)


def decision_named(name: str) -> Decision:
    """Raises Http404."""
    if name not in DECISIONS:
        raise Http404
    return DECISIONS[name]


def address_of(market: Market, name: str) -> str:
    return reverse("admin:markets_market_decide", args=[market.pk, name])


def called(market: Market, outcome: Outcome) -> str:
    return {"this": f"THIS: {market.this_option}", "that": f"THAT: {market.that_option}", "invalid": "invalid"}[outcome]


def closing(market: Market, by: StaffMember) -> Confirmation:
    exposure = get_open_exposure(market_id=market.pk)

    def act(said: Any) -> str:
        verdicts.close_market(market_id=market.pk, by=by, reason=said["reason"], now=timezone.now())
        return "Closed: it takes no more bets."

    return Confirmation(
        title=f"{market.title} · Close it",
        button="Close the market",
        back=page_of(market),
        act=act,
        warning="It takes no more bets, and nobody can open it again. It pays nobody: how it ended is told later.",
        facts={
            "Open bets": f"{exposure.bets:,}",
            "At stake": credits_of(exposure.stake),
            "Owed if THIS wins": credits_of(exposure.this.payout),
            "Owed if THAT wins": credits_of(exposure.that.payout),
        },
    )


def resolving(outcome: Outcome) -> Callable[[Market, StaffMember], Confirmation]:
    def page(market: Market, by: StaffMember) -> Confirmation:
        preview = preview_settlement(market_id=market.pk, outcome=outcome)
        end = called(market, outcome)

        def act(said: Any) -> str:
            reason, now = said["reason"], timezone.now()
            verdicts.resolve_market(market_id=market.pk, outcome=outcome, by=by, reason=reason, now=now)
            return f"Resolved as {end}. Its bets are being settled."

        title = f"{market.title} · Resolve as {end}"
        return paying(market, preview, title=title, button=f"Resolve as {end}", act=act)

    return page


def voiding(market: Market, by: StaffMember) -> Confirmation:
    def act(said: Any) -> str:
        verdicts.void_market(market_id=market.pk, by=by, reason=said["reason"], now=timezone.now())
        return "Voided: what is at stake goes back."

    preview = preview_settlement(market_id=market.pk, outcome="invalid")
    return paying(market, preview, title=f"{market.title} · Void it", button="Void the market", act=act)


def settling(market: Market, by: StaffMember) -> Confirmation:
    def act(said: Any) -> str:
        retried = retry_settlement(market_id=market.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"It is being settled: {retried:,} bets that were set aside are tried again."

    outcome: Outcome = market.resolution or "invalid"  # type: ignore[assignment]
    preview = preview_settlement(market_id=market.pk, outcome=outcome)
    title = f"{market.title} · Settle what is left, as {called(market, outcome)}"
    return paying(market, preview, title=title, button="Settle it now", act=act)


def paying(
    market: Market, preview: SettlementPreview, *, title: str, button: str, act: Callable[[Any], str]
) -> Confirmation:
    still_open = "It still takes bets; those that come meanwhile are settled too. " if market.status == "open" else ""
    return Confirmation(
        title=title,
        button=button,
        back=page_of(market),
        act=act,
        warning=f"{still_open}It pays at once, and can only be undone by taking the credits back.",
        facts={
            "Open bets": f"{preview.bets:,} of {preview.users:,} people",
            "At stake": credits_of(preview.stake),
            "It pays": credits_of(preview.payout),
            **gain_of_house(preview.house_gain),
        },
        caption=f"Whom it pays: the {RECEIVERS_SHOWN} who get most"
        if len(preview.receivers) == RECEIVERS_SHOWN
        else "Whom it pays",
        columns=("User", "Bets paid", "Credits"),
        rows=[(row.username, f"{row.bets:,}", credits_of(row.payout)) for row in preview.receivers],
    )


def gain_of_house(gain: Decimal) -> dict[str, str]:
    return {"The house keeps": credits_of(gain)} if gain >= 0 else {"The house adds": credits_of(-gain)}


def reversing(market: Market, by: StaffMember) -> Confirmation:
    preview = preview_reversal(market_id=market.pk)
    all_of_them = len(preview.takings) < PREVIEW_LIMIT

    def act(said: Any) -> str:
        done = reverse_settlement(market_id=market.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"Undone: the bets of {done.users:,} people are open again. The market is closed until you resolve it."

    return Confirmation(
        title=f"{market.title} · Undo the settlement",
        button="Undo the settlement",
        back=page_of(market),
        act=act,
        warning="What was paid is taken back. Where a user has spent it, the house lends the rest, and later credits "
        "pay that back first. The market is closed then, and its bets wait for another result.",
        facts={
            "Bets settled": f"{preview.bets:,} of {preview.users:,} people",
            "Taken back": credits_of(preview.taken),
            "Lent by the house": credits_of(preview.debt),
            "Users in debt": f"{preview.debtors:,}",
        },
        caption="From whom it takes" if all_of_them else f"From whom it takes: the {PREVIEW_LIMIT} who will owe most",
        columns=("User", "Bets", "Taken back", "Has available", "Will owe"),
        rows=[
            (row.username, f"{row.bets:,}", credits_of(row.taken), credits_of(row.available), credits_of(row.debt))
            for row in preview.takings
        ],
    )


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


DECISIONS: dict[str, Decision] = {
    "this": Decision(
        button="Resolve as THIS: {market.this_option}",
        permission=Permission.DECIDE_MARKETS,
        statuses=NOT_OVER,
        page=resolving("this"),
        variant="primary",
    ),
    "that": Decision(
        button="Resolve as THAT: {market.that_option}",
        permission=Permission.DECIDE_MARKETS,
        statuses=NOT_OVER,
        page=resolving("that"),
        variant="primary",
    ),
    "invalid": Decision(
        button="Resolve as invalid",
        permission=Permission.DECIDE_MARKETS,
        statuses=NOT_OVER,
        page=resolving("invalid"),
    ),
    "close": Decision(
        button="Close",
        permission=Permission.DECIDE_MARKETS,
        statuses=(Status.OPEN,),
        page=closing,
    ),
    "odds": Decision(
        button="Change the odds",
        permission=Permission.MANAGE_HOUSE_MARKETS,
        statuses=(Status.OPEN,),
        page=odds_change,
        house_only=True,
    ),
    "edit": Decision(
        button="Edit",
        permission=Permission.MANAGE_HOUSE_MARKETS,
        statuses=(Status.OPEN,),
        page=edition,
        house_only=True,
    ),
    "void": Decision(
        button="Void",
        permission=Permission.DECIDE_MARKETS,
        statuses=NOT_OVER,
        page=voiding,
        variant="danger",
    ),
    "settle": Decision(
        button="Settle it now",
        permission=Permission.DECIDE_MARKETS,
        statuses=OVER,
        page=settling,
        variant="primary",
        open_bets_only=True,
    ),
    "reverse": Decision(
        button="Undo the settlement",
        permission=Permission.REVERSE_MARKETS,
        statuses=OVER,
        page=reversing,
        variant="danger",
    ),
}
