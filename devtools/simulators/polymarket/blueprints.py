"""The kinds of events there are, each a function from random numbers to a plan."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from . import words
from .plans import EventPlan, MarketPlan

Blueprint = Callable[[Random, datetime], EventPlan]


def _date(moment: datetime) -> str:
    return f"{words.MONTHS[moment.month - 1]} {moment.day}"


def _days(rng: Random, low: int, high: int) -> timedelta:
    return timedelta(days=rng.randint(low, high), hours=rng.choice((0, 0, 12, 17)))


def _person(rng: Random) -> str:
    return f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"


def _people(rng: Random, amount: int) -> list[str]:
    return sorted({_person(rng) for _ in range(amount * 2)})[:amount]


def _shares(rng: Random, amount: int) -> list[float]:
    """Chances of `amount` rivals that add up to about one."""
    raw = [rng.paretovariate(1.1) for _ in range(amount)]
    total = sum(raw)
    return [value / total for value in raw]


def _candidates(rng: Random, names: Sequence[str], ask: str, placeholders: int = 0) -> tuple[MarketPlan, ...]:
    """A Yes/No market for each name; `ask` has one `{}` for it. Placeholders come last, lettered as upstream does."""
    real = [
        MarketPlan(ask.format(name), group_title=name, likely=chance)
        for name, chance in zip(names, _shares(rng, len(names)), strict=True)
    ]
    spare = [f"Individual {chr(ord('A') + index)}" for index in range(placeholders)]
    return (*real, *(MarketPlan(ask.format(name), group_title=name, placeholder=True) for name in spare))


def _one(question: str, tags: tuple[str, ...], ends_in: timedelta, fee_type: str | None = None) -> EventPlan:
    return EventPlan(question, tags, (MarketPlan(question),), ends_in, fee_type=fee_type)


def sports_match(rng: Random, now: datetime) -> EventPlan:
    league = rng.choice(sorted(words.LEAGUES))
    home, away = rng.sample(words.LEAGUES[league], 2)
    starts = timedelta(hours=rng.randint(2, 120))
    title, line = f"{home} vs. {away}", rng.randint(2, 230) + 0.5
    spread = rng.randint(1, 9) + 0.5
    markets = (
        MarketPlan(title, (home, away), sports_type="moneyline"),
        MarketPlan(f"{title}: O/U {line}", ("Over", "Under"), f"O/U {line}", "totals", line, likely=0.5),
        MarketPlan(f"Spread: {home} (-{spread})", (home, away), f"Spread -{spread}", "spreads", -spread, likely=0.48),
    )
    tags = ("Sports", league, "Games", _date(now + starts))
    kept = markets[: rng.choice((1, 2, 3))]
    return EventPlan(title, tags, kept, starts + timedelta(hours=3), fee_type="sports_fees_v2", game_in=starts)


def esports_match(rng: Random, now: datetime) -> EventPlan:
    game = rng.choice(sorted(words.ESPORTS))
    home, away = rng.sample(words.ESPORTS[game], 2)
    starts = timedelta(hours=rng.randint(1, 72))
    title = f"{game}: {home} vs {away} (BO3)"
    market = MarketPlan(title, (home, away), sports_type="moneyline")
    tags = ("Sports", "eSports", game, "Games", _date(now + starts))
    return EventPlan(title, tags, (market,), starts + timedelta(hours=4), fee_type="sports_fees_v2", game_in=starts)


def championship(rng: Random, now: datetime) -> EventPlan:
    league = rng.choice(("NBA", "NFL", "NHL", "EPL"))
    year = now.year + 1
    markets = _candidates(rng, words.LEAGUES[league], f"Will the {{}} win the {year} {league} title?")
    return EventPlan(f"{year} {league} Champion", ("Sports", league), markets, _days(rng, 60, 260), neg_risk=True)


def coin_up_or_down(rng: Random, now: datetime) -> EventPlan:
    coin, ticker, _ = rng.choice(words.COINS)
    minutes = rng.choice((5, 15, 60))
    ends = timedelta(minutes=minutes * rng.randint(1, 12))
    begins = now + ends - timedelta(minutes=minutes)
    span = f"{begins:%I:%M%p}-{now + ends:%I:%M%p} ET"
    title = f"{coin} Up or Down - {_date(begins)}, {span}"
    market = MarketPlan(title, ("Up", "Down"), likely=rng.uniform(0.42, 0.58))
    return EventPlan(
        title,
        ("Crypto", coin, "Recurring", "Up or Down", "Hide From New"),
        (market,),
        ends,
        fee_type="crypto_fees",
        series=f"{ticker.upper()} Up or Down {minutes}m",
        source=f"https://data.chain.link/streams/{ticker}-usd",
    )


def coin_above(rng: Random, now: datetime) -> EventPlan:
    coin, _, base = rng.choice(words.COINS)
    ends = _days(rng, 1, 9)
    day = _date(now + ends)
    strikes = [round(base * (0.9 + 0.04 * step), 1) for step in range(rng.randint(3, 7))]
    markets = tuple(
        MarketPlan(f"{coin} above {strike:,} on {day}?", group_title=f"{strike:,}", likely=0.95 - 0.14 * index)
        for index, strike in enumerate(strikes)
    )
    tags = ("Crypto", coin, "Weekly", "Crypto Prices")
    return EventPlan(f"{coin} above ___ on {day}?", tags, markets, ends, fee_type="crypto_fees")


def election(rng: Random, now: datetime) -> EventPlan:
    place = rng.choice((*words.COUNTRIES, *words.STATES))
    year = now.year + rng.choice((0, 1))
    title = f"{place} Election Winner {year}"
    names = _people(rng, rng.randint(4, 9))
    markets = _candidates(rng, names, f"Will {{}} win the {year} {place} election?", rng.randint(1, 5))
    return EventPlan(title, ("Elections", "Politics", place), markets, _days(rng, 20, 300), neg_risk=True)


def politics(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 5, 200)
    question = f"Will {_person(rng)} {rng.choice(words.POLITICS_DEEDS)} by {_date(now + ends)}?"
    return _one(question, ("Politics", rng.choice(("attorney general", "Congress", "white house"))), ends)


def geopolitics(rng: Random, now: datetime) -> EventPlan:
    what, place = rng.choice(words.CONFLICTS), rng.choice(words.COUNTRIES)
    steps = sorted(_days(rng, 5, 150) for _ in range(rng.choice((1, 1, 3))))
    markets = tuple(
        MarketPlan(f"Will {what} with {place} by {_date(now + step)}?", group_title=_date(now + step)) for step in steps
    )
    return EventPlan(f"Will {what} with {place} by...?", ("Geopolitics", "World", place), markets, steps[-1])


def central_bank(rng: Random, now: datetime) -> EventPlan:
    month = words.MONTHS[(now.month + rng.randint(0, 5)) % 12]
    moves = ("50+ bps decrease", "25 bps decrease", "No change", "25+ bps increase")
    markets = _candidates(rng, moves, f"Fed decision in {month}: {{}}?")
    tags = ("Economy", "Fed Rates", "fed", "Economic Policy")
    return EventPlan(f"Fed decision in {month}?", tags, markets, _days(rng, 10, 160), neg_risk=True)


def stock_close(rng: Random, now: datetime) -> EventPlan:
    name, ticker, base = rng.choice(words.STOCKS)
    ends = _days(rng, 1, 8)
    level = round(base * rng.uniform(0.85, 1.15))
    question = f"Will {name} ({ticker}) close above ${level} on {_date(now + ends)}?"
    return _one(question, ("Finance", "Stocks", ticker), ends, "finance_fees")


def tech(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 10, 180)
    question = f"Will {rng.choice(words.COMPANIES)} {rng.choice(words.TECH_DEEDS)} by {_date(now + ends)}?"
    return _one(question, ("Tech", "AI", "Big Tech"), ends, "tech_fees")


def prize(rng: Random, now: datetime) -> EventPlan:
    award = rng.choice(words.PRIZES)
    names = rng.sample(words.FILMS, 4) if award == "Best Picture" else _people(rng, 5)
    markets = _candidates(rng, names, f"Will {{}} win {award} in {now.year + 1}?", rng.choice((0, 2)))
    tags = ("Pop Culture", "Awards", "Featured")
    return EventPlan(f"{award} {now.year + 1}", tags, markets, _days(rng, 30, 200), neg_risk=True)


def temperature(rng: Random, now: datetime) -> EventPlan:
    city, low = rng.choice(words.CITIES), rng.randint(-2, 26)
    ends = _days(rng, 1, 4)
    day = _date(now + ends)
    labels = (f"{low - 1}°C or below", f"{low}°C", f"{low + 1}°C", f"{low + 2}°C or higher")
    markets = _candidates(rng, labels, f"Will the highest temperature in {city} be {{}} on {day}?")
    title = f"Highest temperature in {city} on {day}?"
    return EventPlan(title, ("Weather", "Recurring", city), markets, ends, neg_risk=True)


def science(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 30, 400)
    return _one(f"Will {rng.choice(words.SCIENCE)} by {_date(now + ends)}?", ("Science", "space"), ends)


def world_news(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 5, 90)
    question = f"Will {rng.choice(words.WORLD)} in {rng.choice(words.COUNTRIES)} by {_date(now + ends)}?"
    return _one(question, ("World", "Breaking News"), ends)


def unsorted(rng: Random, now: datetime) -> EventPlan:
    """Nothing but housekeeping tags, or none: the category cannot be told."""
    ends = _days(rng, 3, 60)
    question = f'Will {_person(rng)} say "{rng.choice(words.FILMS)}" on air by {_date(now + ends)}?'
    tags = tuple(rng.sample(words.HOUSEKEEPING, rng.randint(0, 3)))
    return _one(question, tags, ends, rng.choice(("general_fees", "crypto_fees", "sports_fees_v2", None)))


# A wheel, not a lottery: even a small world has every kind. Its weights are the mix of categories.
WHEEL: tuple[Blueprint, ...] = (
    sports_match, politics, coin_up_or_down, election, coin_above, esports_match, sports_match, tech, geopolitics,
    prize, coin_up_or_down, central_bank, sports_match, stock_close, temperature, politics, championship, world_news,
    coin_up_or_down, science, sports_match, politics, unsorted, coin_above, sports_match,
)  # fmt: skip
