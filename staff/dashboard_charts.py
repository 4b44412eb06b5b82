"""The dashboard's pictures, as Chart.js reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.api.json import dumps
from economy.models import Counterparty
from staff.selectors import Ages, Day, Exposure, Flow
from staff.wording import how_many, thousands

PRIMARY = "var(--color-primary-500)"
# Read as well on white as on black.
GREEN, RED, AMBER, BLUE, TEXT = "#16a34a", "#ef4444", "#f59e0b", "#3b82f6", "#8b93a1"
SHORT = {"notation": "compact", "maximumFractionDigits": 1}
MAX_LETTERS = 38


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind`: unfold's component, "bar" or "line". `words`: the same for whom no picture reaches."""

    name: str
    title: str
    kind: str
    data: str
    options: str
    words: str
    shape: str = ""


Dataset = dict[str, Any]


def dataset(label: str, values: Sequence[Decimal | int], color: str, **more: Any) -> Dataset:
    return {"label": label, "data": list(values), "backgroundColor": color, "borderColor": color, **more}


def line(label: str, values: Sequence[Decimal | int], color: str, **more: Any) -> Dataset:
    drawn = {"type": "line", "borderWidth": 2, "pointRadius": 0, "pointHitRadius": 8, "tension": 0.25}
    return dataset(label, values, color, **drawn, **more)


def numbers(unit: str, **more: Any) -> dict[str, Any]:
    """An axis from 0, of a unit."""
    ticks = {"color": TEXT, "format": SHORT, "maxTicksLimit": 6, "precision": 0}
    title = {"display": True, "text": unit, "color": TEXT}
    return {"beginAtZero": True, "ticks": ticks, "title": title, "border": {"display": False}, "grid": {}, **more}


def names(**ticks: Any) -> dict[str, Any]:
    """An axis of names or days."""
    shown = {"color": TEXT, "maxRotation": 0, "autoSkipPadding": 12, **ticks}
    return {"ticks": shown, "grid": {"display": False}, "border": {"display": False}}


def options(x: Mapping[str, Any], y: Mapping[str, Any], *, legend: bool = True, **more: Any) -> dict[str, Any]:
    labels = {"color": TEXT, "boxWidth": 8, "boxHeight": 8, "usePointStyle": True}
    other_axes = more.pop("axes", {})
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False, **({"axis": "y"} if "indexAxis" in more else {})},
        "plugins": {"legend": {"display": legend, "align": "end", "labels": labels}},
        "datasets": {"bar": {"borderRadius": 3, "maxBarThickness": 22}},
        "scales": {"x": x, "y": y, **other_axes},
        **more,
    }


def chart(name: str, title: str, kind: str, labels: list[str], sets: list[Dataset], **more: Any) -> Chart:
    data = dumps({"labels": labels, "datasets": sets}).decode()
    return Chart(name, title, kind, data, dumps(more.pop("options")).decode(), **more)


def dates(days: list[Day]) -> list[str]:
    return [f"{day.day.day} {day.day:%b}" for day in days]


def circulation(days: list[Day]) -> Chart:
    values = [day.circulation for day in days]
    fill = {"fill": True, "backgroundColor": "rgba(99, 102, 241, 0.15)"}
    return chart(
        "circulation",
        "Credits in circulation, 30 days",
        "line",
        dates(days),
        [{**line("Credits", values, PRIMARY), **fill}],
        options=options(names(), numbers("credits", beginAtZero=False), legend=False),
        words=f"{thousands(values[-1])} credits, {thousands(values[0])} thirty days ago.",
    )


def bets(days: list[Day]) -> Chart:
    volume, placed = [day.volume for day in days], [day.bets for day in days]
    right = numbers("bets", position="right", grid={"drawOnChartArea": False})
    return chart(
        "bets",
        "Bets and volume by day",
        "bar",
        dates(days),
        [line("Bets", placed, AMBER, yAxisID="count"), dataset("Credits staked", volume, PRIMARY)],
        options=options(names(), numbers("credits"), axes={"count": right}),
        words=f"{how_many(sum(placed), 'bet')} of {thousands(sum(volume))} credits in thirty days.",
    )


def users(days: list[Day]) -> Chart:
    active, joined = [day.active_users for day in days], [day.new_users for day in days]
    return chart(
        "users",
        "Users by day",
        "bar",
        dates(days),
        [dataset("Bet, traded or bought", active, BLUE), dataset("Joined", joined, GREEN)],
        options=options(names(), numbers("users")),
        words=f"{how_many(active[-1], 'user')} active today, {how_many(sum(joined), 'user')} new in thirty days.",
    )


def flows(found: list[Flow]) -> Chart:
    """Sources and sinks, the largest first."""
    largest = sorted(found, key=lambda flow: flow.given + flow.taken, reverse=True)
    given, taken = [flow.given for flow in largest], [-flow.taken for flow in largest]
    return chart(
        "flows",
        "Where credits come from, and where they go",
        "bar",
        [source_of(flow) for flow in largest],
        [dataset("To users", given, GREEN), dataset("From users", taken, RED)],
        options=options(
            numbers("credits, ever", stacked=True),
            {**names(autoSkip=False), "stacked": True},
            indexAxis="y",
        ),
        words=f"{thousands(sum(given))} credits given, {thousands(-sum(taken))} taken.",
        shape="tall",
    )


def source_of(flow: Flow) -> str:
    words = flow.transaction_type.replace("_", " ").capitalize()
    return f"{words} (debt)" if flow.counterparty == Counterparty.HOUSE else words


def exposures(found: list[Exposure]) -> Chart:
    return chart(
        "exposures",
        "What the house owes if a side wins: largest markets",
        "bar",
        [shortened(exposure.title) for exposure in found],
        [
            dataset("If THIS wins", [exposure.this_payout for exposure in found], BLUE),
            dataset("If THAT wins", [exposure.that_payout for exposure in found], AMBER),
            dataset("At stake", [exposure.stake for exposure in found], "rgba(139, 147, 161, 0.45)"),
        ],
        options=options(numbers("credits"), names(autoSkip=False), indexAxis="y"),
        words=f"At most {thousands(max((max(e.this_payout, e.that_payout) for e in found), default=0))} credits.",
        shape="wide",
    )


def shortened(title: str) -> str:
    return title if len(title) <= MAX_LETTERS else f"{title[: MAX_LETTERS - 1].rstrip()}…"


def ages(found: Ages) -> Chart:
    colors = [GREEN, GREEN, BLUE, AMBER, RED, RED]
    values = list(found.markets.values())
    return chart(
        "ages",
        "Age of odds, open Polymarket markets",
        "bar",
        list(found.markets),
        [{**dataset("Markets", values, PRIMARY), "backgroundColor": colors, "borderColor": colors}],
        options=options(names(autoSkip=False, font={"size": 10}), numbers("markets"), legend=False),
        words=f"{how_many(sum(values), 'market')}.",
    )
