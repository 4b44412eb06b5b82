"""The rare shapes of the upstream, dealt out evenly so that even a small world has them all."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from .event import Event
from .market import ZERO, Market
from .plans import EventPlan, MarketPlan

QUIRK_EVERY = 2
_LEGACY_AGE = timedelta(days=1500)


def _no_end(market: Market) -> None:
    market.ends_at = None


def _past_end(market: Market) -> None:
    market.ends_at = market.clock.now - timedelta(days=9, hours=5)


def _accepting_missing(market: Market) -> None:
    market.accepting = None


def _accepting_false(market: Market) -> None:
    market.accepting = False


def _icon_only(market: Market) -> None:
    market.has_image = False


def _no_picture(market: Market) -> None:
    market.has_image = market.has_icon = False


def _no_picture_at_all(market: Market) -> None:
    _no_picture(market)
    market.event.has_picture = False


def _no_condition(market: Market) -> None:
    market.condition_id = ""


def _real_arrays(market: Market) -> None:
    market.real_arrays = True


def _no_prices(market: Market) -> None:
    market.priced = False


def _proposed_open(market: Market) -> None:
    market.oracle_says("proposed", "this")


def _disputed_open(market: Market) -> None:
    market.oracle_says("proposed", "that")
    market.oracle_says("disputed", "that")


def _closed_undecided(market: Market) -> None:
    market.shut(accepting=False)


def _closed_proposed(market: Market) -> None:
    market.oracle_says("proposed", "this")
    market.shut(accepting=True)


def _closed_requested(market: Market) -> None:
    market.oracle_says("requested", "that")
    market.shut(accepting=False)


def _resolved_this(market: Market) -> None:
    market.decide("this")


def _resolved_that_accepting(market: Market) -> None:
    market.decide("that", accepting=True)


def _resolved_without_status(market: Market) -> None:
    market.decide("that")
    market.uma_status, market.uma_history = None, []


def _fifty_fifty(market: Market) -> None:
    market.decide("50-50")


def _fifty_fifty_unflagged(market: Market) -> None:
    market.decide("50-50", fifty_flag=False)


def _nearly_certain(market: Market) -> None:
    market.level = market.gamma_level = 2 * market.grid - 1


def _nearly_impossible(market: Market) -> None:
    """So low that nobody bids: `bestBid` is missing."""
    market.level = market.gamma_level = 1


QUIRKS: tuple[Callable[[Market], None], ...] = (
    _past_end,
    _resolved_this,
    _icon_only,
    _accepting_missing,
    _proposed_open,
    _no_end,
    _fifty_fifty,
    _real_arrays,
    _accepting_false,
    _no_prices,
    _resolved_that_accepting,
    _no_picture,
    _closed_undecided,
    _nearly_impossible,
    _disputed_open,
    _closed_proposed,
    _past_end,
    _resolved_without_status,
    _nearly_certain,
    _fifty_fifty_unflagged,
    _closed_requested,
    _no_condition,
    _no_picture_at_all,
)


def spread_quirks(event: Event, index: int, rng: Random) -> None:
    """Give every second event's last named market the next rare shape."""
    if event.legacy_category is not None:
        _age(event, index, rng)
    elif index % QUIRK_EVERY == 1:
        named = [market for market in event.markets if not market.placeholder]
        QUIRKS[index // QUIRK_EVERY % len(QUIRKS)](named[-1])


def legacy_plan(index: int) -> EventPlan:
    """A market from before the order book: three outcomes, a scalar, or one that ended with no prices at all."""
    if index % 3 == 0:
        outcomes: tuple[str, ...] = ("Under $22M", "$22M-$29M", "Over $29M")
        question = f"How much will the sequel gross on opening weekend {index + 1}?"
    elif index % 3 == 1:
        outcomes, question = ("Yes", "No"), f"Will the old exchange reopen before round {index + 1}?"
    else:
        outcomes, question = ("Long", "Short"), f"What will the total value locked be in quarter {index + 1}?"
    plan = MarketPlan(question, outcomes, likely=0.58)
    return EventPlan(question, ("All",), (plan,), timedelta(0), legacy_category=("Pop-Culture ", "Crypto")[index % 2])


def _age(event: Event, index: int, rng: Random) -> None:
    event.created_at -= _LEGACY_AGE
    event.starts_at -= _LEGACY_AGE
    market = event.markets[0]
    market.created_at -= _LEGACY_AGE
    market.starts_at -= _LEGACY_AGE
    event.ends_at = market.ends_at = event.starts_at + timedelta(days=6)
    still_open = len(market.outcomes) != 2 and index % 2 == 0  # noqa: PLR2004 - more than the two of a binary market
    if still_open:
        return
    market.shut(accepting=False)
    market.accepting, market.closed_at = None, market.ends_at + timedelta(hours=rng.randint(1, 60))
    if market.outcomes == ("Yes", "No"):
        market.final = (ZERO, ZERO)
