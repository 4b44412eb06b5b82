"""Staff actions on a market: the confirmation page of each (whom it pays, and how much), forms, and the registry."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from django import forms
from django.utils import timezone
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.models import Permission
from accounts.staff import StaffMember
from betting.makers import open_lmsr_market
from betting.pricing import potential_payout
from betting.reversal import preview_reversal, reverse_settlement
from betting.rules import PREVIEW_LIMIT
from betting.selectors import get_open_exposure
from betting.settlement import SettlementPreview, preview_settlement, retry_settlement
from markets import house
from markets.models import Market
from markets.resolution import staff as decisions
from markets.resolution.staff import NOT_OVER, OVER
from staff.action_log import NOTING
from staff.core.actions import Action, Actions, Confirmation, ReasonForm, making
from staff.core.formatting import change_url, format_credits, format_percent
from staff.markets.makers import TYPICAL_COLUMNS, PricingForm, adding_liquidity, pausing, resuming, typical_rows

Status = Market.Status
Outcome = Literal["this", "that", "invalid"]


def market_action(
    button: str,
    permission: Permission,
    page: Callable[[Market, StaffMember], Confirmation],
    *,
    statuses: tuple[Market.Status, ...],
    house_only: bool = False,
    only: Callable[[Market], bool] | None = None,
    variant: Literal["default", "primary", "danger"] = "default",
) -> Action[Market]:
    """Return an action on markets in some statuses, of house markets alone if `house_only`, and of `only` some."""

    def refusal(market: Market, by: StaffMember) -> str:
        if market.status not in statuses or (house_only and market.market_type != Market.Type.CREDITS):
            return f"Not possible: this market is {market.status}."
        return "" if only is None or only(market) else "Not possible for this market as it is."

    return Action(button=button, permission=permission, page=page, refusal=refusal, variant=variant)


def called(market: Market, outcome: Outcome) -> str:
    return {"this": f"THIS: {market.this_option}", "that": f"THAT: {market.that_option}", "invalid": "invalid"}[outcome]


def closing(market: Market, by: StaffMember) -> Confirmation:
    exposure = get_open_exposure(market_id=market.pk)

    def act(data: Any) -> str:
        decisions.close_market(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Closed: it takes no more bets."

    return Confirmation(
        title=f"{market.title} · Close it",
        button="Close the market",
        back=change_url(market),
        act=act,
        warning="It takes no more bets until you open it again. It pays nobody: how it ended is told later.",
        facts={
            "Open bets": f"{exposure.bets:,}",
            "Stake": format_credits(exposure.stake),
            "Owed if THIS wins": format_credits(exposure.this.payout),
            "Owed if THAT wins": format_credits(exposure.that.payout),
        },
    )


def opening(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Any) -> str:
        decisions.open_market_again(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Open again: it takes bets."

    return Confirmation(
        title=f"{market.title} · Open it again",
        button="Open the market again",
        back=change_url(market),
        act=act,
        warning="It takes bets at once, at the odds of now. If its outcome is known, resolve or void it instead.",
    )


def resolving(outcome: Outcome) -> Callable[[Market, StaffMember], Confirmation]:
    def page(market: Market, by: StaffMember) -> Confirmation:
        preview = preview_settlement(market_id=market.pk, outcome=outcome)
        end = called(market, outcome)

        def act(data: Any) -> str:
            reason, now = data["reason"], timezone.now()
            decisions.resolve_market(market_id=market.pk, outcome=outcome, by=by, reason=reason, now=now)
            return f"Resolved as {end}. Its bets are being settled."

        title = f"{market.title} · Resolve as {end}"
        return paying(market, preview, title=title, button=f"Resolve as {end}", act=act)

    return page


def voiding(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Any) -> str:
        decisions.void_market(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Voided: all stakes go back."

    preview = preview_settlement(market_id=market.pk, outcome="invalid")
    return paying(market, preview, title=f"{market.title} · Void it", button="Void the market", act=act)


def settling(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Any) -> str:
        retried = retry_settlement(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return f"It is being settled: {retried:,} failed settlements are retried."

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
        back=change_url(market),
        act=act,
        warning=f"{still_open}It pays at once, and can only be undone by taking the credits back.",
        facts={
            "Open bets": f"{preview.bets:,} of {preview.users:,} users",
            "Stake": format_credits(preview.stake),
            "It pays": format_credits(preview.payout),
            **gain_of_house(preview.house_gain),
        },
        caption=f"Whom it pays: the {PREVIEW_LIMIT} who get most"
        if len(preview.receivers) == PREVIEW_LIMIT
        else "Whom it pays",
        columns=("User", "Bets paid", "Credits"),
        rows=[(row.username, f"{row.bets:,}", format_credits(row.payout)) for row in preview.receivers],
    )


def gain_of_house(gain: Decimal) -> dict[str, str]:
    return {"The house keeps": format_credits(gain)} if gain >= 0 else {"The house adds": format_credits(-gain)}


def reversing(market: Market, by: StaffMember) -> Confirmation:
    preview = preview_reversal(market_id=market.pk)
    all_of_them = len(preview.takings) < PREVIEW_LIMIT

    def act(data: Any) -> str:
        done = reverse_settlement(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return f"Reversed: the bets of {done.users:,} users are open again. The market is closed until you resolve it."

    return Confirmation(
        title=f"{market.title} · Reverse the settlement",
        button="Reverse the settlement",
        back=change_url(market),
        act=act,
        warning="What was paid is taken back. Where a user has spent it, the house lends the rest, and later credits "
        "pay that back first. The market is closed then, and its bets wait for another result.",
        facts={
            "Bets settled": f"{preview.bets:,} of {preview.users:,} users",
            "Taken back": format_credits(preview.taken),
            "Lent by the house": format_credits(preview.debt),
            "Users in debt": f"{preview.debtors:,}",
        },
        caption="From whom it takes" if all_of_them else f"From whom it takes: the {PREVIEW_LIMIT} who will owe most",
        columns=("User", "Bets", "Taken back", "Has available", "Will owe"),
        rows=[
            (
                row.username,
                f"{row.bets:,}",
                format_credits(row.taken),
                format_credits(row.available),
                format_credits(row.debt),
            )
            for row in preview.takings
        ],
    )


Text = UnfoldAdminTextInputWidget
HUNDRED = Decimal(100)


class Percent(forms.DecimalField):
    """Odds as percent: 62.5 is the probability 0.625."""

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
    """Asks for the question of a house market; times are UTC."""

    title = forms.CharField(max_length=house.LONGEST["title"], widget=Text())
    this_option = forms.CharField(max_length=house.LONGEST["this_option"], label="THIS", widget=Text())
    that_option = forms.CharField(max_length=house.LONGEST["that_option"], label="THAT", widget=Text())
    description = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), help_text="How it will be decided."
    )
    category = forms.SlugField(
        max_length=house.LONGEST["category"],
        initial="general",
        widget=Text(),
        help_text="In lower case: a-z, 0-9 and hyphens.",
    )
    image_url = forms.URLField(
        max_length=house.LONGEST["image_url"],
        label="Picture",
        assume_scheme="https",
        widget=Text(),
        help_text="The picture's address.",
    )
    expires_at = forms.DateTimeField(
        required=False,
        label="Ends, UTC",
        help_text="When bets end: users see it as chosen here.",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )
    open_end = forms.BooleanField(
        required=False, label="Open end", help_text="It is open until staff close it.", widget=UnfoldBooleanWidget()
    )
    field_order = [
        *("title", "this_option", "that_option", "this_odds", "expires_at", "open_end", "category", "image_url"),
        *("description", "reason"),
    ]

    def clean(self) -> dict[str, Any]:
        """Take an end or an open end; neither is what is forgotten, and never meant."""
        data = super().clean() or self.cleaned_data
        if "expires_at" in data and bool(data["expires_at"]) == bool(data.get("open_end")):
            both = "Either an end or an open end, not both." if data["expires_at"] else ""
            self.add_error("expires_at", both or "Say when it ends, or that its end is open.")
        return data


class CreationForm(PricingForm, QuestionForm):
    this_odds = Percent(label="Odds of THIS, %", help_text="The probability that THIS wins, to begin with.")
    field_order = [
        *("title", "this_option", "that_option", "pricing", "this_odds", "subsidy", "expires_at", "open_end"),
        *("category", "image_url", "description", "reason"),
    ]


class EditForm(QuestionForm):
    """Edits a house market; with bets on it, the terms are read-only."""

    def __init__(self, *args: Any, fixed: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in house.TERMS if fixed else ():
            self.fields[name].disabled = True
            self.fields[name].help_text = "Somebody has bet on it: this stays."


class OddsForm(ReasonForm):
    this_odds = Percent(label="Odds of THIS, %")
    field_order = ["this_odds", "reason"]


def asked_in(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in house.QUESTION_FIELDS}


def creating(by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        question = house.Question(**asked_in(data))
        given = {"this_odds": data["this_odds"], "by": by, "reason": data["reason"], "now": timezone.now()}
        if data["pricing"] == "lmsr":
            open_lmsr_market(question, subsidy=data["subsidy"], **given)
        else:
            house.create_house_market(question, **given)
        return f"Made, and open: {question.title}"

    page = making(
        Market,
        act,
        CreationForm,
        title="New house market",
        button="Open the market",
        warning="It is open for bets at once. The house pays what wins: at fixed odds without a bound, else up to the "
        "subsidy.",
    )
    caption = "What a market that prices itself makes of its subsidy, beginning at 50%"
    return replace(page, caption=caption, columns=TYPICAL_COLUMNS, rows=typical_rows())


def editing(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {"by": by, "reason": data["reason"], "now": timezone.now()}
        changes = {name: value for name, value in asked_in(data).items() if value != shown[name]}
        house.edit_house_market(market_id=market.pk, changes=changes, **given)
        return "Changed."

    fixed, shown = house.was_bet_on(market.pk), shown_of(market)
    return Confirmation(
        title=f"{market.title} · Edit it",
        button="Change the market",
        back=change_url(market),
        act=act,
        form=partial(EditForm, fixed=fixed),
        warning="Somebody has bet on it: its title, options and description stay." if fixed else "",
        initial=shown,
    )


def shown_of(market: Market) -> dict[str, Any]:
    """Return what the form begins with, times to the second."""
    shown = {name: getattr(market, name) for name in house.QUESTION_FIELDS}
    ends_at = market.expires_at and market.expires_at.replace(microsecond=0)
    return shown | {"expires_at": ends_at, "open_end": ends_at is None}


def changing_odds(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {"by": by, "reason": data["reason"], "now": timezone.now()}
        changed = house.change_odds(market_id=market.pk, this_odds=data["this_odds"], **given)
        return f"{changed.this_option} is at {format_percent(changed.this_odds)} now."

    return Confirmation(
        title=f"{market.title} · Change the odds",
        button="Change the odds",
        back=change_url(market),
        act=act,
        form=OddsForm,
        warning="For bets and sales from now on. The bets there are keep the odds that they were placed at.",
        facts={
            f"THIS: {market.this_option}": format_percent(market.this_odds),
            f"THAT: {market.that_option}": format_percent(market.that_odds),
            "100 credits on THIS pay": format_credits(potential_payout(HUNDRED, market.this_odds)),
            "100 credits on THAT pay": format_credits(potential_payout(HUNDRED, market.that_odds)),
        },
        initial={"this_odds": market.this_odds},
    )


MARKET_ACTIONS = Actions(
    url_name="markets_market_decide",
    url_path="<uuid:object_id>/decide/<slug:name>/",
    by_name={
        "this": market_action(
            "Resolve as THIS: {row.this_option}",
            Permission.DECIDE_MARKETS,
            resolving("this"),
            statuses=NOT_OVER,
            variant="primary",
        ),
        "that": market_action(
            "Resolve as THAT: {row.that_option}",
            Permission.DECIDE_MARKETS,
            resolving("that"),
            statuses=NOT_OVER,
            variant="primary",
        ),
        "invalid": market_action(
            "Resolve as invalid", Permission.DECIDE_MARKETS, resolving("invalid"), statuses=NOT_OVER
        ),
        "close": market_action("Close", Permission.DECIDE_MARKETS, closing, statuses=(Status.OPEN,)),
        "open": market_action("Open again", Permission.DECIDE_MARKETS, opening, statuses=(Status.CLOSED,)),
        "odds": market_action(
            "Change the odds",
            Permission.MANAGE_HOUSE_MARKETS,
            changing_odds,
            statuses=(Status.OPEN,),
            house_only=True,
            only=lambda market: not market.is_lmsr,
        ),
        "liquidity": market_action(
            "Add liquidity",
            Permission.MANAGE_HOUSE_MARKETS,
            adding_liquidity,
            statuses=(Status.OPEN,),
            house_only=True,
            only=lambda market: market.is_lmsr,
        ),
        "pause": market_action(
            "Pause",
            Permission.MANAGE_HOUSE_MARKETS,
            pausing,
            statuses=(Status.OPEN,),
            house_only=True,
            only=lambda market: market.accepting_orders,
        ),
        "resume": market_action(
            "Resume",
            Permission.MANAGE_HOUSE_MARKETS,
            resuming,
            statuses=(Status.OPEN,),
            house_only=True,
            only=lambda market: not market.accepting_orders,
        ),
        "edit": market_action(
            "Edit", Permission.MANAGE_HOUSE_MARKETS, editing, statuses=(Status.OPEN,), house_only=True
        ),
        "note": NOTING,
        "void": market_action("Void", Permission.DECIDE_MARKETS, voiding, statuses=NOT_OVER, variant="danger"),
        "settle": market_action("Settle it now", Permission.DECIDE_MARKETS, settling, statuses=OVER, variant="primary"),
        "reverse": market_action(
            "Reverse the settlement", Permission.REVERSE_MARKETS, reversing, statuses=OVER, variant="danger"
        ),
    },
)
