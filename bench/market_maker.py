"""Draws what traders with noisy beliefs make of a market that prices itself: `python -m bench.market_maker`.

200 traders and 10,000 bets, from 50 % to a truth of 72 %. It writes docs/market-maker.svg: the price, and what the
house would have if either side won, beside the subsidy that bounds its loss. It prints the same for other truths.
"""

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from tests.simulation.market_maker import Moment, trade

CHART = Path(__file__).resolve().parent.parent / "docs" / "market-maker.svg"
START, TRUTH, TRUTHS = Decimal("0.5"), 0.72, (0.1, 0.35, 0.5, 0.72, 0.9)
WIDTH, HEIGHT, LEFT, TOP, GAP = 720, 190, 64, 34, 62
POINTS, LAST = 600, 1_000
BLUE, GREEN, RED, GREY = "#3b82f6", "#16a34a", "#ef4444", "#8b93a1"


def lowest(moments: Sequence[Moment]) -> Decimal:
    """Return the worst that the house could have ended with at any time."""
    return min(min(moment.if_this, moment.if_that) for moment in moments)


def mean_of_last(moments: Sequence[Moment]) -> float:
    last = moments[-LAST:]
    return sum(moment.price for moment in last) / len(last)


class Plot:
    """One of the chart's pictures: lines in a frame, with an axis of values."""

    def __init__(self, top: float, low: float, high: float, title: str, marks: Sequence[tuple[float, str]]) -> None:
        self.top, self.low, self.high = top, low, high
        self.parts = [text(LEFT, top - 12, title, anchor="start", weight="bold")]
        for value, label in marks:
            y = self.y(value)
            self.parts += [
                f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" opacity="0.3"/>',
                text(LEFT - 6, y + 4, label),
            ]

    def y(self, value: float) -> float:
        return self.top + HEIGHT * (self.high - value) / (self.high - self.low)

    def draw(self, values: Sequence[float], color: str, label: str, place: int) -> None:
        step = max(1, len(values) // POINTS)
        shown = [*enumerate(values)][::step]
        points = " ".join(f"{LEFT + WIDTH * at / len(values):.1f},{self.y(value):.1f}" for at, value in shown)
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.4"/>')
        self.parts.append(text(LEFT + WIDTH - 190 * place, self.top - 12, label, color=color))

    def bound(self, value: float, label: str) -> None:
        y = self.y(value)
        dashed = f'stroke="{RED}" stroke-dasharray="5 4"'
        self.parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" {dashed}/>')
        self.parts.append(text(LEFT + WIDTH - 4, y - 5, label, color=RED))


def text(x: float, y: float, words: str, *, color: str = GREY, anchor: str = "end", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def draw(moments: Sequence[Moment], *, subsidy: Decimal, traders: int) -> str:
    bound = -float(subsidy)
    house = [float(value) for moment in moments for value in (moment.if_this, moment.if_that)]
    high = max(*house, -0.2 * bound)
    prices = Plot(TOP, 0, 1, "Odds of THIS", [(0, "0"), (0.5, "0.5"), (1, "1")])
    prices.draw([moment.price for moment in moments], BLUE, f"{traders} traders", 0)
    prices.bound(TRUTH, f"the truth, {TRUTH}")
    gains = Plot(TOP + HEIGHT + GAP, 1.1 * bound, 1.1 * high, "What the house would have", [(0, "0")])
    gains.draw([float(moment.if_this) for moment in moments], BLUE, "if THIS won", 1)
    gains.draw([float(moment.if_that) for moment in moments], GREEN, "if THAT won", 0)
    gains.bound(bound, f"the subsidy, {subsidy:,}")
    foot = text(LEFT + WIDTH / 2, TOP + 2 * HEIGHT + GAP + 24, f"{len(moments):,} bets and sales", anchor="middle")
    size = f"{LEFT + WIDTH + 16} {TOP + 2 * HEIGHT + GAP + 40}"
    body = "\n".join([*prices.parts, *gains.parts, foot])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif" font-size="12">\n'
        f"{body}\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traders", type=int, default=200)
    parser.add_argument("--bets", type=int, default=10_000)
    parser.add_argument("--subsidy", type=Decimal, default=Decimal(5_000))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    options = {"traders": given.traders, "bets": given.bets, "subsidy": given.subsidy, "start": START}
    print("| truth | last price | mean of the last 1,000 | lost at worst, ever | has if THIS wins | if THAT wins |")
    print("|---:|---:|---:|---:|---:|---:|")
    for truth in TRUTHS:
        moments = list(trade(truth=truth, seed=given.seed, **options))
        last, lost = moments[-1], f"{-lowest(moments):,.2f} of {given.subsidy:,}"
        prices = f"{last.price:.3f} | {mean_of_last(moments):.3f}"
        print(f"| {truth} | {prices} | {lost} | {last.if_this:,.2f} | {last.if_that:,.2f} |", flush=True)
        if truth == TRUTH:
            CHART.write_text(draw(moments, subsidy=given.subsidy, traders=given.traders))


if __name__ == "__main__":
    sys.exit(main())
