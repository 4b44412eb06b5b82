"""What one tick does to a world besides moving the clock."""

from random import Random

from .builder import Builder
from .event import Event
from .market import Market, Outcome

MOVING_SHARE = 0.4
_DISPUTE, _SHUT_FIRST, _RESOLVE = 0.08, 0.3, 0.65
_DISPUTE_ENDS, _CLOSED_ENDS, _TIE, _FORGETS_FLAG = 0.15, 0.5, 0.06, 0.3
_LINGERS = 0.15


def move_prices(markets: list[Market], rng: Random) -> None:
    """Let Gamma catch up with the last tick, then walk some of the live prices, within the book's bounds."""
    for market in markets:
        step = rng.randint(-3, 3) if rng.random() < MOVING_SHARE else 0
        if market.gamma_level != market.level:
            market.gamma_level = market.level
            if market.final is None:
                market.touch()
        if step and market.has_book and not market.price_held:
            market.level = min(max(market.level + step, 1), 2 * market.grid - 1)


def price_newcomers(markets: list[Market]) -> None:
    """A market born without prices gets them on the next tick."""
    for market in markets:
        if not market.priced and not market.placeholder and not market.price_held:
            market.priced = True
            market.touch()


def begin_endings(markets: list[Market], rng: Random) -> None:
    """Have a few markets proposed: some whose time is up, and always at least one more."""
    waiting = [market for market in markets if market.has_book and market.uma_status is None and not market.scripted]
    now = waiting[0].clock.now if waiting else None
    due = [m for m in waiting if now and m.event.series and m.ends_at and m.ends_at <= now]
    chosen = rng.sample(waiting, min(len(waiting), max(1, len(waiting) // 2000)))
    for market in [*due, *chosen]:
        if market.uma_status is None:
            _propose(market, rng)


def advance_endings(markets: list[Market], rng: Random) -> None:
    """Move every market on its way to a result one step on, or let it wait."""
    for market in markets:
        pending = market.destiny is not None and market.final is None
        if (pending or (market.closed and market.final is None)) and not market.scripted:
            _step(market, rng.random(), rng)


def name_placeholder(events: list[Event], builder: Builder, rng: Random) -> None:
    """Give one placeholder a name, under the id it has."""
    spare = [market for event in events for market in event.markets if market.placeholder and not market.scripted]
    if spare:
        rng.choice(spare).become(builder.name())


def _propose(market: Market, rng: Random) -> None:
    if not market.event.neg_risk:
        market.oracle_says("proposed", _likely_outcome(market, rng))
        return
    rivals = [rival for rival in market.event.markets if rival.has_book and not rival.scripted]
    winner = rng.choices(rivals, [float(rival.price) for rival in rivals])[0]
    # One winner a pool, unless a script or an earlier result already has it.
    taken = any(rival.destiny == "this" for rival in market.event.markets)
    for rival in rivals:
        if rival.uma_status is None:
            rival.oracle_says("proposed", "this" if rival is winner and not taken else "that")


def _likely_outcome(market: Market, rng: Random) -> Outcome:
    if rng.random() < _TIE:
        return "50-50"
    return "this" if rng.random() < float(market.price) else "that"


def _step(market: Market, chance: float, rng: Random) -> None:
    if market.uma_status == "disputed":
        if chance < _DISPUTE_ENDS:
            _finish(market, rng)
    elif market.closed:
        if chance < _CLOSED_ENDS and market.event.legacy_category is None:
            _finish(market, rng)
    elif chance < _DISPUTE:
        market.oracle_says("disputed", market.destiny)
    elif chance < _SHUT_FIRST:
        market.shut(accepting=chance < _LINGERS)
    elif chance < _RESOLVE:
        _finish(market, rng)


def _finish(market: Market, rng: Random) -> None:
    outcome = market.destiny or _likely_outcome(market, rng)
    if market.uma_status is None:
        market.oracle_says("proposed", outcome)
    market.decide(outcome, accepting=rng.random() < _LINGERS, fifty_flag=rng.random() > _FORGETS_FLAG)
