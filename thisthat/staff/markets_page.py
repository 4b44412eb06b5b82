"""A market's page: what is asked, what the house owes, how it ended and why, and what may be done."""

from decimal import Decimal

from django.urls import reverse

from accounts.models import Permission, StaffAction
from accounts.staff import StaffMember
from betting.exposure import Exposure, open_exposure
from betting.models import Settlement, SettlementFailure
from markets.models import Market, MarketResolution
from thisthat.staff.cells import DASH, credits_of, label_of, link_to, moment_of, percent_of
from thisthat.staff.details import Detail, Facts, Link, Rows
from thisthat.staff.markets_decisions import DECISIONS, address_of

SHOWN = 50
ZERO = Decimal(0)


def market_page(market: Market, *, by: StaffMember) -> Detail:
    """Seven statements, or eight for who may see what staff did, whatever there is to show."""
    exposure = open_exposure(market.pk)
    failures = set_aside(market)
    return Detail(
        original=market,
        title=market.title,
        subtitle=label_of(market.status),
        notice=notice(market, exposure, failures),
        actions=[
            Link(decision.called(market), address_of(market, name), decision.variant)
            for name, decision in DECISIONS.items()
            if decision.fits(market) and by.may(decision.permission)
        ],
        blocks=[
            question(market),
            open_bets(market, exposure),
            evidence(market),
            settlements(market),
            *([failures] if failures.rows else []),
            *([done_by_staff(market)] if by.may(Permission.VIEW_SYSTEM) else []),
        ],
    )


def notice(market: Market, exposure: Exposure, failures: Rows) -> str:
    if failures.rows:
        return "Bets are set aside: the database refused to settle them. See why below, then settle again."
    over = market.status in (Market.Status.RESOLVED, Market.Status.CANCELLED)
    return "Its bets are still being settled." if over and exposure.bets else ""


def question(market: Market) -> Facts:
    house = market.market_type == Market.Type.CREDITS
    outcomes = {"this": market.this_option, "that": market.that_option, "invalid": "Invalid: stakes go back"}
    return Facts(
        title="Question",
        facts={
            f"THIS: {market.this_option}": percent_of(market.this_odds),
            f"THAT: {market.that_option}": percent_of(market.that_odds),
            "Odds as of, UTC": moment_of(market.odds_updated_at),
            "Result": outcomes[market.resolution] if market.resolution else "Not known yet",
            "Type": "House market" if house else "Mirrored from Polymarket",
            "Category": market.category.capitalize(),
            "Ends, UTC": moment_of(market.expires_at, otherwise="When staff close it" if house else "Not said"),
            "Resolved, UTC": moment_of(market.resolved_at),
            **({} if house else from_polymarket(market)),
            "Made, UTC": moment_of(market.created_at),
            "Id": market.pk,
            "Slug": market.slug,
            "Picture": market.image_url or DASH,
        },
        text=market.description,
    )


def from_polymarket(market: Market) -> dict[str, object]:
    return {
        "Volume": f"${market.volume:,.2f}",
        "Volume of a day": f"${market.volume_24hr:,.2f}",
        "Liquidity": f"${market.liquidity:,.2f}",
        "Takes orders there": "Yes" if market.accepting_orders else "No",
        "Event": market.event_title or DASH,
        "Polymarket id": market.polymarket_id,
    }


def open_bets(market: Market, exposure: Exposure) -> Rows:
    return Rows(
        title="Open bets",
        columns=("If it ends", "Bets", "At stake", "The house owes", "The house keeps"),
        rows=[
            (
                f"{side.upper()}: {option}",
                f"{of_side.bets:,}",
                credits_of(of_side.stake),
                credits_of(of_side.payout),
                credits_of(exposure.stake - of_side.payout),
            )
            for side, option, of_side in (
                ("this", market.this_option, exposure.this),
                ("that", market.that_option, exposure.that),
            )
        ]
        + [("Invalid", f"{exposure.bets:,}", credits_of(exposure.stake), credits_of(exposure.stake), credits_of(ZERO))],
        more=Link("All bets", f"{reverse('admin:betting_bet_changelist')}?q={market.pk}"),
    )


def evidence(market: Market) -> Rows:
    rows = MarketResolution.objects.filter(market=market).select_related("staff").defer("facts").order_by("-id")
    return Rows(
        title="What was concluded, and why",
        columns=("When, UTC", "Conclusion", "From", "By", "Why"),
        rows=[
            (
                link_to("markets_marketresolution_change", moment_of(row.seen_at), row.pk),
                label_of(row.decision),
                row.get_source_display(),
                row.staff.username if row.staff else DASH,
                row.reason,
            )
            for row in rows[:SHOWN]
        ],
        none="Nothing yet.",
        more=Link("All of it", f"{reverse('admin:markets_marketresolution_changelist')}?q={market.pk}"),
    )


def settlements(market: Market) -> Rows:
    rows = Settlement.objects.filter(market=market).select_related("reversed_by").order_by("-generation")
    return Rows(
        title="Settlements",
        columns=("As", "State", "Won", "Lost", "Refunded", "Credits paid", "Credits refunded", "Begun, UTC"),
        rows=[
            (
                row.resolution.upper(),
                label_of(state_of(row)),
                f"{row.won:,}",
                f"{row.lost:,}",
                f"{row.cancelled:,}",
                credits_of(row.paid),
                credits_of(row.refunded),
                moment_of(row.started_at),
            )
            for row in rows[:SHOWN]
        ],
        none="Not settled.",
    )


def state_of(settlement: Settlement) -> str:
    if settlement.reversed_at:
        return "reversed"
    return "finished" if settlement.finished_at else "unfinished"


def set_aside(market: Market) -> Rows:
    rows = SettlementFailure.objects.filter(market=market).select_related("bet__user").order_by("-pk")
    return Rows(
        title="Bets set aside",
        columns=("Bet", "User", "Stake", "When, UTC", "The database said"),
        rows=[
            (
                link_to("betting_bet_change", str(row.bet_id), row.bet_id),
                row.bet.user.username,
                credits_of(row.bet.amount - row.bet.sold_amount),
                moment_of(row.failed_at),
                row.error,
            )
            for row in rows[:SHOWN]
        ],
    )


def done_by_staff(market: Market) -> Rows:
    rows = StaffAction.objects.filter(target_type="markets.market", target_id=str(market.pk)).select_related("staff")
    return Rows(
        title="What staff did",
        columns=("When, UTC", "Who", "From", "What", "Why"),
        rows=[
            (
                moment_of(row.created_at),
                row.staff.username if row.staff else "Command line",
                row.ip or DASH,
                row.action.replace("_", " ").capitalize(),
                row.reason,
            )
            for row in rows.order_by("-id")[:SHOWN]
        ],
        none="Nothing.",
    )
