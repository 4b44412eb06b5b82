"""Market makers in the admin: the form of a new house market, adding liquidity, pausing, and the price curve."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.staff import StaffMember
from betting import rules
from betting.lmsr import CONTEXT, HIGHEST_ODDS, LOWEST_ODDS, Curve, first_curve
from betting.makers import Maker, add_liquidity, get_maker, shown
from markets import house
from markets.models import Market
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import change_url, format_credits, format_percent
from staff.core.pages import PRIMARY, TEXT, ChartBlock, Facts, chart, line, names, numbers, options

# Bets whose effect is shown before staff confirm, and those that the curve is drawn of.
TYPICAL_BETS = (Decimal(100), Decimal(1_000))
DRAWN_BETS = [Decimal(amount) for amount in (50, 100, 200, 350, 500, 750, 1_000, 1_500, 2_000, 3_500, 5_000, 10_000)]
FIRST_SUBSIDY = Decimal(5_000)
TYPICAL_SUBSIDIES = [Decimal(amount) for amount in (500, 1_000, 5_000, 20_000, 100_000)]
HALF = Decimal("0.5")
PRICINGS = [("lmsr", "It prices itself: each bet moves the odds"), ("fixed", "Fixed: staff set the odds")]


def credits_field(**options: Any) -> forms.DecimalField:
    return forms.DecimalField(max_digits=18, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget(), **options)


def price_after(curve: Curve, amount: Decimal, *, is_this: bool) -> Decimal:
    """Return to what a bet of this amount would move its side's price, limits aside."""
    return shown(CONTEXT.subtract(1, curve.price(is_this=not is_this) * (-amount / curve.b).exp(CONTEXT)))


def effects(curve: Curve) -> dict[str, str]:
    """Return what typical bets on THIS would move, by label."""
    price = format_percent(shown(curve.price(is_this=True)))
    after = {amount: format_percent(price_after(curve, amount, is_this=True)) for amount in TYPICAL_BETS}
    return {f"A bet of {amount:,} on THIS moves it from {price} to": moved for amount, moved in after.items()}


def typical_rows() -> list[tuple[str, ...]]:
    """Return what subsidies make of a market that begins at 50 %."""
    curves = [(subsidy, first_curve(odds=HALF, subsidy=subsidy)) for subsidy in TYPICAL_SUBSIDIES]
    return [(format_credits(subsidy), *effects(curve).values(), format_credits(subsidy)) for subsidy, curve in curves]


TYPICAL_COLUMNS = (
    "Subsidy",
    *(f"A bet of {amount:,} moves 50% to" for amount in TYPICAL_BETS),
    "The house loses at most",
)


class PricingForm(forms.Form):
    """Asks how a new market is priced. One that prices itself is shown what bets would move before it is opened."""

    pricing = forms.ChoiceField(choices=PRICINGS, initial="lmsr", widget=UnfoldAdminSelectWidget())
    subsidy = credits_field(
        required=False,
        initial=FIRST_SUBSIDY,
        help_text="Of a market that prices itself: the most that the house can lose, in escrow until it is settled.",
    )
    # What was shown of: sent again as it is, the form opens the market.
    seen = forms.CharField(required=False, widget=forms.HiddenInput())

    def clean(self) -> dict[str, Any]:
        """Refuse impossible odds and subsidies, and for the first time possible ones, saying what bets would move."""
        data = super().clean() or self.cleaned_data
        if data.get("pricing") != "lmsr" or self.errors:
            return data
        odds, subsidy = data["this_odds"], data["subsidy"]
        if subsidy is None or not rules.MIN_SUBSIDY <= subsidy <= rules.MAX_SUBSIDY:
            self.add_error("subsidy", f"A subsidy is {rules.MIN_SUBSIDY:,} to {rules.MAX_SUBSIDY:,} credits.")
        elif not LOWEST_ODDS <= odds <= HIGHEST_ODDS:
            bounds = f"{format_percent(LOWEST_ODDS)} and {format_percent(HIGHEST_ODDS)}"
            self.add_error("this_odds", f"A market that prices itself begins between {bounds}.")
        elif data["seen"] != (seen := f"{odds} {subsidy}"):
            self.data = {**self.data, "seen": seen}
            moves = ". ".join(f"{label} {to}" for label, to in effects(first_curve(odds=odds, subsidy=subsidy)).items())
            text = f"{moves}. The house loses at most {format_credits(subsidy)}. Send it again to open the market."
            self.add_error(None, text)
        return data


class LiquidityForm(ReasonForm):
    amount = credits_field(label="Credits to add")
    field_order = ["amount", "reason"]


def adding_liquidity(market: Market, by: StaffMember) -> Confirmation:
    maker = get_maker(market.pk) if market.is_lmsr else None

    def act(data: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {"by": by, "reason": data["reason"], "now": timezone.now()}
        subsidy = add_liquidity(market_id=market.pk, amount=data["amount"], **given)
        return f"Added: the house loses at most {format_credits(subsidy)} now."

    return Confirmation(
        title=f"{market.title} · Add liquidity",
        button="Add liquidity",
        back=change_url(market),
        act=act,
        form=LiquidityForm,
        warning="The price stays, and bets move it less from now on. What is added can't be taken away before the "
        "market is settled.",
        facts={"The house loses at most": format_credits(maker.subsidy), **effects(maker.curve)} if maker else {},
        caption="With more liquidity",
        columns=(
            "Added",
            *(f"A bet of {amount:,} moves it to" for amount in TYPICAL_BETS),
            "At most lost then",
        ),
        rows=deeper_rows(maker) if maker else [],
    )


def deeper_rows(maker: Maker) -> list[tuple[str, ...]]:
    deeper = [
        (added, maker.curve.deepened(subsidy=maker.subsidy + added, collected=maker.collected))
        for added in TYPICAL_SUBSIDIES
    ]
    return [
        (format_credits(added), *effects(curve).values(), format_credits(maker.subsidy + added))
        for added, curve in deeper
    ]


def pausing(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        house.pause_house_market(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Paused: it takes no bets and sales until it is resumed."

    return Confirmation(
        title=f"{market.title} · Pause it",
        button="Pause the market",
        back=change_url(market),
        act=act,
        warning="Nobody bets or sells until it is resumed. It stays open, and ends when it would.",
    )


def resuming(market: Market, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        house.resume_house_market(market_id=market.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Resumed: it takes bets and sales."

    return Confirmation(
        title=f"{market.title} · Resume it",
        button="Resume the market",
        back=change_url(market),
        act=act,
        warning="It takes bets and sales at once, at the odds of now.",
    )


# -- The market's page


def maker_facts(maker: Maker) -> Facts:
    curve, escrow = maker.curve, maker.subsidy + maker.collected
    return Facts(
        title="Market maker",
        facts={
            "Subsidy: the house loses at most": format_credits(maker.subsidy),
            "Paid for bets, less what sales brought": format_credits(maker.collected),
            "Shares of THIS": format_credits(curve.q_this),
            "Shares of THAT": format_credits(curve.q_that),
            "Back to the house if THIS wins": format_credits(escrow - curve.q_this),
            "Back to the house if THAT wins": format_credits(escrow - curve.q_that),
            "Liquidity (b)": f"{curve.b:,.2f}",
            **effects(curve),
        },
    )


def price_curve(maker: Maker) -> ChartBlock:
    """Return the chart of what bets on either side would move the price of THIS to."""
    curve = maker.curve
    now = shown(curve.price(is_this=True))
    on_that = [1 - price_after(curve, amount, is_this=False) for amount in reversed(DRAWN_BETS)]
    on_this = [price_after(curve, amount, is_this=True) for amount in DRAWN_BETS]
    labels = [
        *(f"{amount:,} on THAT" for amount in reversed(DRAWN_BETS)),
        "now",
        *(f"{amount:,} on THIS" for amount in DRAWN_BETS),
    ]
    return ChartBlock(
        chart(
            "curve",
            "What a bet would move the odds of THIS to",
            "line",
            labels,
            [line("Odds of THIS after the bet", [*on_that, now, *on_this], PRIMARY)],
            options=options(names(), numbers("odds", max=1, ticks={"color": TEXT, "maxTicksLimit": 6})),
            words=f"{format_percent(now)} now; a bet of {DRAWN_BETS[-1]:,} on THIS would move it to "
            f"{format_percent(on_this[-1])}, one on THAT to {format_percent(on_that[0])}.",
        )
    )
