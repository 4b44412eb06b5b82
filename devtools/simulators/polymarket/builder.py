"""Turns plans into events and markets with ids, tokens, prices and volumes.

The rare shapes of the upstream are dealt out evenly, so that even a small catalogue has them all.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from .blueprints import FIRST_NAMES, LAST_NAMES, TAG_NUMBERS, TAG_SLUGS, WHEEL, EventPlan, MarketPlan, short_plan
from .books import ZERO
from .formats import Slugs, slugify
from .models import Event, Market
from .state import Clock, Tag

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


LEGACY_EVERY = 31


class Builder:
    """Makes the events of one world, in order; the same seed makes the same ones."""

    def __init__(self, seed: str, clock: Clock) -> None:
        self._rng = Random(f"content:{seed}")  # noqa: S311 - a world to be repeated, not a secret
        self._clock = clock
        self._slugs = Slugs()
        self._tags: dict[str, Tag] = {}
        self._made = 0
        self._next_market = 517_310

    @property
    def tags(self) -> list[Tag]:
        return list(self._tags.values())

    def name(self) -> str:
        """A person for a placeholder."""
        return f"{self._rng.choice(FIRST_NAMES)} {self._rng.choice(LAST_NAMES)}"

    def old_event(self) -> Event:
        """An event of the starting world, with its history and now and then a rare shape."""
        index = self._made
        plan = legacy_plan(index // LEGACY_EVERY) if index % LEGACY_EVERY == LEGACY_EVERY - 1 else self._plan(index)
        event = self._build(plan, age=timedelta(hours=self._rng.randint(3, 4000)))
        spread_quirks(event, index, self._rng)
        return event

    def new_event(self) -> Event:
        """An event born now: its markets have no prices yet."""
        event = self._build(self._plan(self._made), age=timedelta(0))
        for market in event.markets:
            market.priced = False
        return event

    def short_event(self, ends_in: timedelta) -> Event:
        """An event that is decided in some minutes, much traded, with its prices."""
        event = self._build(short_plan(self._rng, self._clock.now, ends_in), age=timedelta(0))
        for market in event.markets:
            market.volume24hr = market.volume = round(self._rng.lognormvariate(11.5, 0.8), 6)
        return event

    def _plan(self, index: int) -> EventPlan:
        return WHEEL[index % len(WHEEL)](self._rng, self._clock.now)

    def _build(self, plan: EventPlan, age: timedelta) -> Event:
        self._made += 1
        # Microseconds make the number of decimals in the JSON vary.
        born = self._clock.now - age - timedelta(microseconds=self._rng.randint(1, 999_999))
        event = Event(
            clock=self._clock,
            number=16_282 + 3 * self._made,
            title=plan.title,
            slug=self._slugs.take(plan.title),
            rules=_rules(plan),
            tags=tuple(self._tag(label) for label in plan.tags),
            created_at=born,
            starts_at=born + timedelta(minutes=40),
            ends_at=self._clock.now + plan.ends_in,
            neg_risk=plan.neg_risk,
            neg_risk_id=self._hex()[:-2] + "00" if plan.neg_risk else "",
            fee_type=plan.fee_type,
            series=plan.series,
            source=plan.source,
            legacy_category=plan.legacy_category,
            game_at=self._clock.now + plan.game_in if plan.game_in else None,
            updated_at=self._clock.now,
        )
        event.markets = [self._market(event, plan, index) for index in range(len(plan.markets))]
        return event

    def _market(self, event: Event, plan: EventPlan, position: int) -> Market:
        rng, market_plan = self._rng, plan.markets[position]
        self._next_market += rng.choice((1, 1, 1, 2, 5))
        grid = 1000 if event.neg_risk or rng.random() < 0.2 else 100  # noqa: PLR2004 - a share of one in five
        level = _level(rng, market_plan, grid)
        volume = 0.0 if market_plan.placeholder else round(rng.lognormvariate(10, 2.2), 6)
        shifted = timedelta(seconds=3 * position, microseconds=rng.randint(1, 999_999))
        return Market(
            clock=self._clock,
            event=event,
            number=self._next_market,
            question=market_plan.question,
            slug=self._slugs.take(market_plan.question),
            condition_id=self._hex(),
            question_id=event.neg_risk_id[:-2] + f"{position:02x}" if event.neg_risk else self._hex(),
            request_id=self._hex() if event.neg_risk else "",
            outcomes=market_plan.outcomes,
            tokens=tuple(self._token() for _ in market_plan.outcomes),
            position=position,
            created_at=event.created_at + shifted,
            starts_at=event.starts_at + shifted,
            ends_at=event.ends_at,
            volume=volume,
            volume24hr=_rounded(volume * rng.betavariate(1, 12)),
            liquidity=0.0 if market_plan.placeholder else round(rng.lognormvariate(8.5, 1.2), 5),
            grid=grid,
            level=level,
            gamma_level=level,
            group_title=market_plan.group_title,
            sports_type=market_plan.sports_type,
            line=market_plan.line,
            placeholder=market_plan.placeholder,
            active=not market_plan.placeholder,
            # Half of the placeholders carry the price of whoever had the slot before.
            priced=not market_plan.placeholder or position % 2 == 0,
            updated_at=self._clock.now,
        )

    def _tag(self, label: str) -> Tag:
        slug = TAG_SLUGS.get(label) or slugify(label)
        if slug not in self._tags:
            number = TAG_NUMBERS.get(slug.lower(), 101_000 + len(self._tags))
            self._tags[slug] = Tag(number, label, slug)
        return self._tags[slug]

    def _hex(self) -> str:
        return f"0x{self._rng.getrandbits(256):064x}"

    def _token(self) -> str:
        # Token ids are 256-bit numbers: 77 or 78 digits, but for a few that no one should count on.
        return str(self._rng.getrandbits(256) | 1 << 252)


def _rounded(volume: float) -> float:
    return round(volume, 6) if volume >= 1 else 0.0


def _level(rng: Random, plan: MarketPlan, grid: int) -> int:
    chance = rng.betavariate(0.9, 0.9) if plan.likely is None else plan.likely
    return min(max(round(chance * 2 * grid), 1), 2 * grid - 1)


def _rules(plan: EventPlan) -> str:
    first, second = plan.markets[0].outcomes[:2]
    source = plan.source or "a consensus of credible reporting"
    return (
        f'This market will resolve to "{first}" if what the title describes happens within its time frame. '
        f'Otherwise, it will resolve to "{second}".\n\nThe resolution source for this market is {source}. '
        "If the outcome cannot be determined, this market will resolve 50-50."
    )


def default_start(now: datetime) -> datetime:
    """The epoch of a world that was given none: this minute."""
    return now.replace(second=0, microsecond=0)
