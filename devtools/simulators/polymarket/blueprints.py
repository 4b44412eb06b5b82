"""Plans of events: for each kind a function from random numbers to a plan, and the words that plans are made of.

Persons, parties and films are invented.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """One market to be. `likely` is the chance of index 0, `placeholder` a candidate without a name yet."""

    question: str
    outcomes: tuple[str, ...] = ("Yes", "No")
    group_title: str | None = None
    sports_type: str | None = None
    line: float | None = None
    placeholder: bool = False
    likely: float | None = None


@dataclass(frozen=True, slots=True)
class EventPlan:
    """One event to be. Times are counted from its creation."""

    title: str
    tags: tuple[str, ...]
    markets: tuple[MarketPlan, ...]
    ends_in: timedelta
    neg_risk: bool = False
    fee_type: str | None = None
    game_in: timedelta | None = None
    series: str | None = None
    source: str = ""
    legacy_category: str | None = None


FIRST_NAMES = (
    "Marcus", "Elena", "Theodore", "Ines", "Viktor", "Amara", "Julian", "Noor", "Hector", "Sofia", "Dmitri",
    "Leila", "Conrad", "Mei", "Oscar", "Freya", "Rafael", "Ingrid", "Tobias", "Anika", "Gideon", "Paloma",
    "Stellan", "Yuki", "Bruno", "Carmen", "Desmond", "Greta", "Felix", "Imani", "Otto", "Rosa",
)  # fmt: skip
LAST_NAMES = (
    "Hale", "Navarro", "Lindqvist", "Okafor", "Brandt", "Castellano", "Whitlock", "Moreau", "Petrov", "Ashford",
    "Nakamura", "Delgado", "Fairbanks", "Kowalski", "Adeyemi", "Sorensen", "Marchetti", "Blackwood", "Ivanova",
    "Thackeray", "Rahman", "Eastwick", "Varga", "Holloway", "Quintero", "Mbeki", "Larsson", "Draper",
)  # fmt: skip
COUNTRIES = (
    "Norway",
    "Portugal",
    "Chile",
    "Kenya",
    "Japan",
    "Poland",
    "Colombia",
    "Ireland",
    "Greece",
    "South Korea",
    "Peru",
    "Austria",
    "Ghana",
    "Denmark",
    "Netherlands",
)
STATES = ("Ohio", "Texas", "Maine", "Georgia", "Nevada", "Iowa", "Arizona", "Oregon", "Virginia", "Michigan")
LEAGUES: dict[str, tuple[str, ...]] = {
    "NBA": ("Lakers", "Celtics", "Nuggets", "Knicks", "Heat", "Suns", "Bucks", "Jazz", "Kings", "Magic"),
    "NFL": ("Chiefs", "Bills", "Eagles", "Ravens", "Lions", "Packers", "49ers", "Jets", "Bears", "Rams"),
    "NHL": ("Hurricanes", "Oilers", "Bruins", "Rangers", "Stars", "Kraken", "Flames", "Wild", "Devils", "Sharks"),
    "EPL": ("Arsenal", "Liverpool", "Chelsea", "Everton", "Fulham", "Brentford", "Brighton", "Leeds", "Burnley"),
    "UFC": ("Silva", "Morozov", "Tanaka", "Oyelaran", "Kessler", "Duarte", "McBride", "Petrosyan"),
}
ESPORTS: dict[str, tuple[str, ...]] = {
    "Counter-Strike": ("Iron Wolves", "Nova Five", "Red Comet", "Glacier", "Team Ember", "Night Owls"),
    "League of Legends": ("Blue Dynasty", "Storm Esports", "Golden Crane", "Pixel Kings", "Northern Lights"),
    "Dota 2": ("Tundra Bears", "Silent Hill", "Crimson Tide", "Void Walkers", "Sunrise Gaming"),
}
COINS = (("Bitcoin", "btc", 98_000), ("Ethereum", "eth", 3_400), ("Solana", "sol", 180), ("XRP", "xrp", 2))
STOCKS = (("Apple", "AAPL", 240), ("Nvidia", "NVDA", 150), ("Tesla", "TSLA", 310), ("Microsoft", "MSFT", 430))
COMPANIES = ("OpenAI", "Anthropic", "Google", "Apple", "Meta", "xAI", "Nvidia", "SpaceX", "Microsoft", "Amazon")
TECH_DEEDS = (
    "release a new flagship model",
    "announce layoffs of more than 1,000 people",
    "go public",
    "ship a foldable phone",
    "have the top model on the leaderboard",
    "acquire a chip maker",
)
POLITICS_DEEDS = (
    "resign",
    "veto the spending bill",
    "announce a run for president",
    "be confirmed as ambassador",
    "sign the housing act",
    "win the nomination",
    "be censured",
)
CONFLICTS = (
    "a ceasefire be signed in the border war",
    "the strait be closed to shipping",
    "peace talks resume",
    "sanctions be lifted",
    "the embassy reopen",
    "troops leave the demilitarized zone",
)
SCIENCE = (
    "a crewed lunar landing take place",
    "a new particle be announced",
    "a magnitude 8.0 or higher earthquake be recorded",
    "a fusion plant deliver power to the grid",
    "the reusable rocket reach orbit",
    "a gene therapy for deafness be approved",
)
WORLD = (
    "the hostages be released",
    "a state of emergency be declared",
    "the canal reopen",
    "the border crossing open",
    "the referendum pass",
)
PRIZES = (
    "Best Picture",
    "Album of the Year",
    "Best Actress",
    "Song of the Summer",
    "Best New Artist",
    "Game of the Year",
)
FILMS = ("Paper Lanterns", "The Long Orbit", "Saltwater", "Nine Doors", "Harbor Lights", "The Understudy", "Cinder")
CITIES = ("London", "New York", "Seoul", "Toronto", "Buenos Aires", "Ankara", "Chicago", "Paris")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Housekeeping tags say nothing about the subject. Their case is as uneven as upstream's.
HOUSEKEEPING = ("Featured", "Recurring", "Hide From New", "Weekly", "All", "Games", "Rewards 50, 4.5, 100")
# Slugs that are not simply the label in lower case.
TAG_SLUGS = {"Pop Culture": "pop-culture", "Finance": "Finance", "eSports": "esports", "Tech": "tech", "NBA": "NBA"}
TAG_NUMBERS = {"sports": 1, "politics": 2, "crypto": 21, "pop-culture": 596, "esports": 64, "economy": 100328}


Blueprint = Callable[[Random, datetime], EventPlan]


def _date(moment: datetime) -> str:
    return f"{MONTHS[moment.month - 1]} {moment.day}"


def _days(rng: Random, low: int, high: int) -> timedelta:
    return timedelta(days=rng.randint(low, high), hours=rng.choice((0, 0, 12, 17)))


def _full_name(rng: Random) -> str:
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def _full_names(rng: Random, amount: int) -> list[str]:
    return sorted({_full_name(rng) for _ in range(amount * 2)})[:amount]


def _shares(rng: Random, amount: int) -> list[float]:
    """Chances of `amount` rivals that add up to about one."""
    raw = [rng.paretovariate(1.1) for _ in range(amount)]
    total = sum(raw)
    return [value / total for value in raw]


def _candidates(rng: Random, names: Sequence[str], question: str, placeholders: int = 0) -> tuple[MarketPlan, ...]:
    """Return a Yes/No market for each name, which replaces the question's `{}`; placeholders come last, lettered."""
    real = [
        MarketPlan(question.format(name), group_title=name, likely=chance)
        for name, chance in zip(names, _shares(rng, len(names)), strict=True)
    ]
    spare = [f"Individual {chr(ord('A') + index)}" for index in range(placeholders)]
    return (*real, *(MarketPlan(question.format(name), group_title=name, placeholder=True) for name in spare))


def _one(question: str, tags: tuple[str, ...], ends_in: timedelta, fee_type: str | None = None) -> EventPlan:
    return EventPlan(question, tags, (MarketPlan(question),), ends_in, fee_type=fee_type)


def sports_match(rng: Random, now: datetime) -> EventPlan:
    league = rng.choice(sorted(LEAGUES))
    home, away = rng.sample(LEAGUES[league], 2)
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
    game = rng.choice(sorted(ESPORTS))
    home, away = rng.sample(ESPORTS[game], 2)
    starts = timedelta(hours=rng.randint(1, 72))
    title = f"{game}: {home} vs {away} (BO3)"
    market = MarketPlan(title, (home, away), sports_type="moneyline")
    tags = ("Sports", "eSports", game, "Games", _date(now + starts))
    return EventPlan(title, tags, (market,), starts + timedelta(hours=4), fee_type="sports_fees_v2", game_in=starts)


def championship(rng: Random, now: datetime) -> EventPlan:
    league = rng.choice(("NBA", "NFL", "NHL", "EPL"))
    year = now.year + 1
    markets = _candidates(rng, LEAGUES[league], f"Will the {{}} win the {year} {league} title?")
    return EventPlan(f"{year} {league} Champion", ("Sports", league), markets, _days(rng, 60, 260), neg_risk=True)


def coin_up_or_down(rng: Random, now: datetime) -> EventPlan:
    coin, ticker, _ = rng.choice(COINS)
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
    coin, _, base = rng.choice(COINS)
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
    place = rng.choice((*COUNTRIES, *STATES))
    year = now.year + rng.choice((0, 1))
    title = f"{place} Election Winner {year}"
    names = _full_names(rng, rng.randint(4, 9))
    markets = _candidates(rng, names, f"Will {{}} win the {year} {place} election?", rng.randint(1, 5))
    return EventPlan(title, ("Elections", "Politics", place), markets, _days(rng, 20, 300), neg_risk=True)


def politics(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 5, 200)
    question = f"Will {_full_name(rng)} {rng.choice(POLITICS_DEEDS)} by {_date(now + ends)}?"
    return _one(question, ("Politics", rng.choice(("attorney general", "Congress", "white house"))), ends)


def geopolitics(rng: Random, now: datetime) -> EventPlan:
    what, place = rng.choice(CONFLICTS), rng.choice(COUNTRIES)
    steps = sorted(_days(rng, 5, 150) for _ in range(rng.choice((1, 1, 3))))
    markets = tuple(
        MarketPlan(f"Will {what} with {place} by {_date(now + step)}?", group_title=_date(now + step)) for step in steps
    )
    return EventPlan(f"Will {what} with {place} by...?", ("Geopolitics", "World", place), markets, steps[-1])


def central_bank(rng: Random, now: datetime) -> EventPlan:
    month = MONTHS[(now.month + rng.randint(0, 5)) % 12]
    moves = ("50+ bps decrease", "25 bps decrease", "No change", "25+ bps increase")
    markets = _candidates(rng, moves, f"Fed decision in {month}: {{}}?")
    tags = ("Economy", "Fed Rates", "fed", "Economic Policy")
    return EventPlan(f"Fed decision in {month}?", tags, markets, _days(rng, 10, 160), neg_risk=True)


def stock_close(rng: Random, now: datetime) -> EventPlan:
    name, ticker, base = rng.choice(STOCKS)
    ends = _days(rng, 1, 8)
    level = round(base * rng.uniform(0.85, 1.15))
    question = f"Will {name} ({ticker}) close above ${level} on {_date(now + ends)}?"
    return _one(question, ("Finance", "Stocks", ticker), ends, "finance_fees")


def tech(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 10, 180)
    question = f"Will {rng.choice(COMPANIES)} {rng.choice(TECH_DEEDS)} by {_date(now + ends)}?"
    return _one(question, ("Tech", "AI", "Big Tech"), ends, "tech_fees")


def prize(rng: Random, now: datetime) -> EventPlan:
    award = rng.choice(PRIZES)
    names = rng.sample(FILMS, 4) if award == "Best Picture" else _full_names(rng, 5)
    markets = _candidates(rng, names, f"Will {{}} win {award} in {now.year + 1}?", rng.choice((0, 2)))
    tags = ("Pop Culture", "Awards", "Featured")
    return EventPlan(f"{award} {now.year + 1}", tags, markets, _days(rng, 30, 200), neg_risk=True)


def temperature(rng: Random, now: datetime) -> EventPlan:
    city, low = rng.choice(CITIES), rng.randint(-2, 26)
    ends = _days(rng, 1, 4)
    day = _date(now + ends)
    labels = (f"{low - 1}°C or below", f"{low}°C", f"{low + 1}°C", f"{low + 2}°C or higher")
    markets = _candidates(rng, labels, f"Will the highest temperature in {city} be {{}} on {day}?")
    title = f"Highest temperature in {city} on {day}?"
    return EventPlan(title, ("Weather", "Recurring", city), markets, ends, neg_risk=True)


def science(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 30, 400)
    return _one(f"Will {rng.choice(SCIENCE)} by {_date(now + ends)}?", ("Science", "space"), ends)


def world_news(rng: Random, now: datetime) -> EventPlan:
    ends = _days(rng, 5, 90)
    question = f"Will {rng.choice(WORLD)} in {rng.choice(COUNTRIES)} by {_date(now + ends)}?"
    return _one(question, ("World", "Breaking News"), ends)


def unsorted(rng: Random, now: datetime) -> EventPlan:
    """Nothing but housekeeping tags, or none: the category cannot be told."""
    ends = _days(rng, 3, 60)
    question = f'Will {_full_name(rng)} say "{rng.choice(FILMS)}" on air by {_date(now + ends)}?'
    tags = tuple(rng.sample(HOUSEKEEPING, rng.randint(0, 3)))
    return _one(question, tags, ends, rng.choice(("general_fees", "crypto_fees", "sports_fees_v2", None)))


SHORT = "Short"


def short_plan(rng: Random, now: datetime, ends_in: timedelta) -> EventPlan:
    """A question that is decided in some minutes; its title says when, so that no two are alike."""
    at = f"{now + ends_in:%H:%M:%S} UTC"
    kind = rng.choice(("coin", "coin", "match", "round", "word"))
    outcomes: tuple[str, ...]
    tags: tuple[str, ...]
    if kind == "coin":
        coin, _, base = rng.choice(COINS)
        price = f"{base * rng.uniform(0.97, 1.03):,.2f}"
        title, outcomes, tags = f"{coin} above ${price} at {at}?", ("Up", "Down"), ("Crypto", coin)
    elif kind == "match":
        league = rng.choice(sorted(LEAGUES))
        outcomes = tuple(rng.sample(LEAGUES[league], 2))
        title, tags = f"{outcomes[0]} vs. {outcomes[1]}: ahead at {at}?", ("Sports", league)
    elif kind == "round":
        game = rng.choice(sorted(ESPORTS))
        outcomes = tuple(rng.sample(ESPORTS[game], 2))
        title, tags = f"{game}: {outcomes[0]} or {outcomes[1]} to win the round at {at}?", ("Sports", "eSports", game)
    else:
        outcomes, tags = ("Yes", "No"), ("Pop Culture", "Mentions")
        title = f'Will {_full_name(rng)} say "{rng.choice(FILMS)}" on air by {at}?'
    market = MarketPlan(title, outcomes, likely=rng.uniform(0.3, 0.7))
    return EventPlan(title, (*tags, "Recurring"), (market,), ends_in, series=SHORT)


# A wheel, not a lottery: even a small world has every kind. Its weights are the mix of categories.
WHEEL: tuple[Blueprint, ...] = (
    sports_match, politics, coin_up_or_down, election, coin_above, esports_match, sports_match, tech, geopolitics,
    prize, coin_up_or_down, central_bank, sports_match, stock_close, temperature, politics, championship, world_news,
    coin_up_or_down, science, sports_match, politics, unsorted, coin_above, sports_match,
)  # fmt: skip
