"""The page of a market: the question, its odds, what the house owes, resolution records, settlements, staff actions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import format_html

from accounts.models import Permission
from accounts.staff import StaffMember
from betting.makers import get_maker
from betting.models import Settlement, SettlementFailure
from betting.selectors import Exposure, get_open_exposure
from core.api.json import dumps
from markets import rules
from markets.history.selectors import get_history
from markets.models import Market, MarketResolution, MarketText
from markets.polymarket.books import is_narrow
from markets.resolution.staff import closed_by_staff
from staff.action_log import done_to, notes_on
from staff.core.formatting import (
    DASH,
    count_of,
    format_credits,
    format_minute,
    format_percent,
    format_time,
    link_to,
    status_label,
)
from staff.core.pages import PRIMARY, TEXT, ChartBlock, Detail, Facts, Link, Rows, chart, line, names, numbers, options
from staff.markets.actions import MARKET_ACTIONS
from staff.markets.makers import maker_facts, price_curve

SHOWN = 50
# Read as well on white as on black.
GREEN, RED = "#16a34a", "#ef4444"
ODDS_TICKS = {"color": TEXT, "maxTicksLimit": 6}


def is_suspended(market: Market) -> bool:
    return market.status == Market.Status.OPEN and bool(market.suspended_reason)


def market_page(market: Market, *, by: StaffMember, now: datetime) -> Detail:
    """Return the page of a market: six statements for who may see what staff did, five for others.

    One more for a closed market: whether it is staff who closed it; one for a market maker. And up to four for its
    history.
    """
    exposure = get_open_exposure(market_id=market.pk)
    maker = get_maker(market.pk) if market.is_lmsr else None
    failures = failed_settlements(market)
    return Detail(
        original=market,
        title=market.title,
        subtitle=status_label("suspended" if is_suspended(market) else market.status),
        notice=notice(market, exposure, failures),
        actions=MARKET_ACTIONS.links(market, by=by, without=impossible(market, exposure)),
        blocks=[
            question(market),
            *([maker_facts(maker)] if maker else []),
            odds_chart(market, now=now),
            *([price_curve(maker)] if maker else []),
            *([texts] if (texts := earlier_texts(market)).rows else []),
            open_bets(market, exposure),
            resolution_records(market),
            settlements(market),
            *([failures] if failures.rows else []),
            *([notes] if (notes := notes_on(market)).rows else []),
            *([done_to(market)] if by.may(Permission.VIEW_SYSTEM) else []),
        ],
    )


def impossible(market: Market, exposure: Exposure) -> list[str]:
    """Return the actions that the market's status allows, and something else doesn't."""
    unsettled = [] if exposure.bets else ["settle"]  # bets that are left: no statement more
    closed_upstream = market.status == Market.Status.CLOSED and not closed_by_staff(market)
    return [*unsettled, *(["open"] if closed_upstream else [])]


def notice(market: Market, exposure: Exposure, failures: Rows) -> str:
    if is_suspended(market):
        return f"It takes no orders, and no list shows it: {market.suspended_reason} Its bets can still be sold."
    if failures.rows:
        return "Some settlements failed: the database refused them. See why below, then settle again."
    over = market.status in (Market.Status.RESOLVED, Market.Status.CANCELLED)
    return "Its bets are still being settled." if over and exposure.bets else ""


def question(market: Market) -> Facts:
    house = market.market_type == Market.Type.CREDITS
    return Facts(
        title="Question",
        facts={
            f"THIS: {market.this_option}": format_percent(market.this_odds),
            f"THAT: {market.that_option}": format_percent(market.that_odds),
            "Odds as of, UTC": format_time(market.odds_updated_at),
            "Result": result_of(market),
            "Type": type_of(market),
            **({"Takes orders": "Yes" if market.accepting_orders else "No: paused"} if house else {}),
            "Category": market.category.capitalize(),
            "Ends, UTC": format_time(market.expires_at, otherwise="When staff close it" if house else "Not said"),
            "Resolved, UTC": format_time(market.resolved_at),
            **({} if house else from_polymarket(market)),
            "Made, UTC": format_time(market.created_at),
            "Id": market.pk,
            "Slug": market.slug,
            "Picture": market.image_url or DASH,
        },
        text=market.description,
    )


def type_of(market: Market) -> str:
    if market.market_type != Market.Type.CREDITS:
        return "Mirrored from Polymarket"
    return "House market, prices itself" if market.is_lmsr else "House market, fixed odds"


def odds_chart(market: Market, *, now: datetime) -> ChartBlock:
    """Return the chart of all that is known of the odds here; nothing is requested from Polymarket for it."""
    points = get_history(market, interval=rules.Interval.MAX, now=now).points
    drawn = [line(f"THIS: {market.this_option}", [point["thisOdds"] for point in points], PRIMARY)]
    for name, color in (("bid", GREEN), ("ask", RED)):
        if any(point[name] is not None for point in points):
            drawn.append(line(name.capitalize(), [point[name] for point in points], color))
    return ChartBlock(
        chart(
            "odds",
            "Odds of THIS",
            "line",
            [format_minute(point["t"]) for point in points],
            drawn,
            options=options(names(), numbers("odds", max=1, ticks=ODDS_TICKS)),
            words=f"{format_percent(points[-1]['thisOdds'])} last, {count_of(len(points), 'point')}."
            if points
            else "Nothing is known yet.",
        )
    )


def result_of(market: Market) -> str:
    sides = {"this": market.this_option, "that": market.that_option}
    if market.resolution in sides:
        return f"{market.resolution.upper()}: {sides[market.resolution]}"
    return "Invalid: stakes go back" if market.resolution else "Not known yet"


def from_polymarket(market: Market) -> dict[str, object]:
    bid, ask = (DASH if price is None else format_percent(price) for price in (market.bid, market.ask))
    narrow = is_narrow(market.bid, market.ask, max_spread=rules.MAX_SPREAD)
    return {
        "Bid and ask of THIS": f"{bid} / {ask}" if narrow else f"{bid} / {ask}, illiquid",
        "Volume": f"${market.volume:,.2f}",
        "Volume of a day": f"${market.volume_24hr:,.2f}",
        "Liquidity": f"${market.liquidity:,.2f}",
        "Takes orders there": "Yes" if market.accepting_orders else "No",
        "Event": link_to("markets_marketevent_change", market.event_title, market.event_id)
        if market.event_id
        else DASH,
        "Outcome in its event": f"{market.group_title or DASH}{', placeholder' if market.is_placeholder else ''}",
        "Polymarket id": market.polymarket_id,
        "There": link_to_polymarket(market),
    }


def link_to_polymarket(market: Market) -> str:
    """Return a link to its page there, which opens beside this one and isn't told where from."""
    path = (
        f"event/{quote(market.event_slug)}/{quote(market.slug)}"
        if market.event_slug
        else f"market/{quote(market.slug)}"
    )
    return format_html(
        '<a href="https://polymarket.com/{}" target="_blank" rel="noopener noreferrer" '
        'class="font-medium text-primary-600 dark:text-primary-500">Its page at Polymarket</a>',
        path,
    )


def earlier_texts(market: Market) -> Rows:
    return Rows(
        title="Shown before, since the first bet",
        columns=("From, UTC", "Until, UTC", "Title", "Description"),
        rows=[
            (format_time(row.shown_at), format_time(row.replaced_at), row.title, row.description)
            for row in MarketText.objects.filter(market=market).order_by("-id")[:SHOWN]
        ],
    )


def open_bets(market: Market, exposure: Exposure) -> Rows:
    ends = [
        (f"THIS: {market.this_option}", exposure.this.bets, exposure.this.stake, exposure.this.payout),
        (f"THAT: {market.that_option}", exposure.that.bets, exposure.that.stake, exposure.that.payout),
        ("Invalid", exposure.bets, exposure.stake, exposure.stake),
    ]
    return Rows(
        title="Open bets",
        columns=("If it ends", "Bets paid", "Their stake", "The house owes", "It keeps of all stakes"),
        rows=[
            (end, f"{bets:,}", format_credits(stake), format_credits(owed), format_credits(exposure.stake - owed))
            for end, bets, stake, owed in (ends if exposure.bets else [])
        ],
        none="There are none.",
        more=Link("All bets", f"{reverse('admin:betting_bet_changelist')}?q={market.pk}"),
    )


def resolution_records(market: Market) -> Rows:
    rows = MarketResolution.objects.filter(market=market).select_related("staff").order_by("-id")
    return Rows(
        title="Resolution records",
        columns=("When, UTC", "Decision", "From", "By", "Why", "The catalogue said", "The order book said"),
        rows=[
            (
                link_to("markets_marketresolution_change", format_time(row.seen_at), row.pk),
                status_label(row.decision),
                row.get_source_display(),
                decided_by(row),
                row.reason,
                catalogue_said(row.facts),
                book_said(row.facts),
            )
            for row in rows[:SHOWN]
        ],
        none="Nothing yet.",
        more=Link("All of it", f"{reverse('admin:markets_marketresolution_changelist')}?q={market.pk}"),
    )


def catalogue_said(facts: Mapping[str, Any]) -> str:
    """Return in a line what Polymarket's catalogue had sent: whether it was closed, its status, its prices."""
    sent = facts.get("gamma")
    if not isinstance(sent, dict) or not sent:
        return DASH
    parts = [str(sent.get(name) or "") for name in ("umaResolutionStatus", "outcomePrices")]
    return ", ".join(["closed" if sent.get("closed") else "open", *filter(None, parts)])


def book_said(facts: Mapping[str, Any]) -> str:
    """Return in a line what its order book's market had sent: whether it was closed, and which token won."""
    sent = facts.get("clob")
    if not isinstance(sent, dict) or not sent:
        return DASH
    tokens = [token for token in sent.get("tokens") or [] if isinstance(token, dict)]
    won = [str(token.get("outcome")) for token in tokens if token.get("winner") is True]
    return ", ".join(["closed" if sent.get("closed") else "open", f"winner: {' and '.join(won) or 'none'}"])


def decided_by(row: MarketResolution) -> str:
    if row.source != MarketResolution.Source.STAFF:
        return DASH
    return row.staff.username if row.staff else "Command line"


def settlements(market: Market) -> Rows:
    rows = Settlement.objects.filter(market=market).select_related("reversed_by").order_by("-generation")
    return Rows(
        title="Settlements",
        columns=("As", "State", "Won", "Lost", "Refunded", "Credits paid", "Credits refunded", "Begun, UTC"),
        rows=[
            (
                row.resolution.upper(),
                status_label(settlement_status(row)),
                f"{row.won:,}",
                f"{row.lost:,}",
                f"{row.cancelled:,}",
                format_credits(row.paid),
                format_credits(row.refunded),
                format_time(row.started_at),
            )
            for row in rows[:SHOWN]
        ],
        none="Not settled.",
    )


def settlement_status(settlement: Settlement) -> str:
    if settlement.reversed_at:
        return "reversed"
    return "finished" if settlement.finished_at else "unfinished"


def failed_settlements(market: Market) -> Rows:
    rows = SettlementFailure.objects.filter(market=market).select_related("bet__user").order_by("-pk")
    return Rows(
        title="Failed settlements",
        columns=("Bet", "User", "Stake", "When, UTC", "The database said"),
        rows=[
            (
                link_to("betting_bet_change", str(row.bet_id), row.bet_id),
                row.bet.user.username,
                format_credits(row.bet.amount - row.bet.sold_amount),
                format_time(row.failed_at),
                row.error,
            )
            for row in rows[:SHOWN]
        ],
    )


def resolution_record_page(row: MarketResolution) -> Detail:
    """Return the page of a resolution record: what each source sent, a field a line."""
    facts = [(source, *said) for source, sent in sorted(row.facts.items()) for said in lines_of(sent)]
    return Detail(
        original=row,
        title=f"{row.get_decision_display()}: {row.market.title}",
        blocks=[
            Facts(
                title="Resolution record",
                facts={
                    "Market": link_to("markets_market_change", row.market.title, row.market_id),
                    "When, UTC": format_time(row.seen_at),
                    "From": row.get_source_display(),
                    "By": decided_by(row),
                },
                text=row.reason,
            ),
            Rows(
                title="What it rests on", columns=("Source", "Field", "It said"), rows=facts, none="The reason alone."
            ),
        ],
    )


def lines_of(sent: Any) -> list[tuple[str, str]]:
    fields = sent.items() if isinstance(sent, dict) else [("", sent)]
    return [(name, value if isinstance(value, str) else dumps(value).decode()) for name, value in fields]
