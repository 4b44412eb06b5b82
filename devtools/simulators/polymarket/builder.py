"""Turns plans into events and markets with ids, tokens, prices and volumes."""

from datetime import datetime, timedelta
from random import Random

from . import words
from .blueprints import WHEEL
from .event import Event, Tag
from .market import Clock, Market
from .plans import EventPlan, MarketPlan
from .quirks import legacy_plan, spread_quirks
from .stamps import Slugs, slugify

LEGACY_EVERY = 31


class Builder:
    """Makes the events of one world, in order; the same seed makes the same ones."""

    def __init__(self, seed: int, clock: Clock) -> None:
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
        return f"{self._rng.choice(words.FIRST_NAMES)} {self._rng.choice(words.LAST_NAMES)}"

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
        slug = words.TAG_SLUGS.get(label) or slugify(label)
        if slug not in self._tags:
            number = words.TAG_NUMBERS.get(slug.lower(), 101_000 + len(self._tags))
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
