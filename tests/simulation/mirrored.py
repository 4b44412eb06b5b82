"""Polymarket's markets in the model: which are bet on, and what a job may make of them."""

from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

from tests.simulation import service, upstream
from tests.simulation.actions import Violation, expect
from tests.simulation.model.bets import Market, Upstream
from tests.simulation.truth import MARKETS

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

MIRRORED = 20
# House markets are numbered by the operation that made them, mirrored ones from here on.
MIRRORED_FROM = 10**9


def adopt_markets(sim: "Simulation", random: Random) -> None:
    """Bet on more of Polymarket's markets: each gets a book that the model knows."""
    known = {market.reference for market in sim.world.markets.values() if market.upstream}
    alive = sum(1 for market in sim.world.markets.values() if market.upstream and market.status == "open")
    rows = {row[1]: row for row in sim.truth.rows(MARKETS) if row[1]}
    adopted = []
    for there in sim.polymarket.world.good_markets():
        row = rows.get(there.condition_id)
        if alive >= MIRRORED or row is None or there.condition_id in known or there.accepting is None:
            continue
        if there.scripted or row[2] != "open" or row[5]:
            continue
        market = Market(row[0], MIRRORED_FROM + there.number, row[7], reference=there.condition_id)
        book = upstream.draw_book(random, market.number)
        upstream.set_book(there, book)
        market.upstream = Upstream(book)
        market.accepting, market.expires_at = row[4], row[6]
        market.upstream.accepting = bool(there.accepting)
        sim.world.markets[market.id] = market
        adopted.append(market)
        alive += 1
    if adopted:
        # What was stored may be in the other half, which would look like prices that swapped places.
        service.job("markets.ingest")()


def read_markets(sim: "Simulation", now: datetime, *, job: str) -> None:
    """Judge what a job made of mirrored markets, and take it over."""
    rows = {row[0]: row for row in sim.truth.rows(MARKETS)}
    for market in sim.world.markets.values():
        up = market.upstream
        if up is None:
            continue
        _, _, status, resolution, accepting, suspended, expires_at, _ = rows[market.id]
        check_status(market, status, resolution, job=job)
        if not up.problem:
            expect(f"m{market.number} is suspended for a reason only", suspended and not market.is_suspended, False)
            allowed = {market.accepting, up.accepting and not up.is_closed}
            expect(f"m{market.number} takes orders as Polymarket does", accepting in allowed, True)
        market.accepting, market.is_suspended, market.expires_at = accepting, suspended, expires_at
        market.resolution = resolution
        if status != market.status:
            market.ended_at = now if status == "resolved" else None
        market.status = status
    if job == "markets.ingest":
        adopt_markets(sim, Random(f"{sim.settings.seed}/{sim.number}/markets"))


def check_status(market: Market, status: str, resolution: str | None, *, job: str) -> None:
    """Raise Violation for a status that a market can't have got from Polymarket, or that it should have got."""
    up = market.upstream
    assert up
    confirmed = up.confirmed if up.confirmed not in market.undone else ""
    allowed = {(market.status, market.resolution)}
    must = None
    unfinished = market.status in ("open", "closed")
    if unfinished and not up.problem:
        if up.is_closed:
            allowed.add(("closed", None))
            if job == "markets.ingest":
                must = ("closed", None)
        elif not market.closed_by_staff:
            allowed.add(("open", None))
            must = ("open", None)
        if confirmed and job == "markets.resolve":
            allowed.add(("resolved", confirmed))
            if market.status == "closed":
                must = ("resolved", confirmed)
    found = (status, resolution)
    if found not in allowed or (must and found != must):
        raise Violation(
            "a mirrored market ends as both sources say",
            f"m{market.number} is {found} after {job}, expected {must or sorted(map(str, allowed))}; it was "
            f"{market.status}, Polymarket: {up}",
        )
