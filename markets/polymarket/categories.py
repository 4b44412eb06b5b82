"""One category a market, from exact slugs by a fixed precedence: never from words inside a title or a slug."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

GENERAL: Final = "general"

PRECEDENCE: Final = (
    "esports",
    "sports",
    "crypto",
    "elections",
    "politics",
    "geopolitics",
    "economy",
    "finance",
    "business",
    "tech",
    "science",
    "culture",
    "weather",
    "world",
)

_SLUGS_OF: Final = {
    "esports": "league-of-legends counter-strike counter-strike-2 cs2 dota-2 valorant rocket-league overwatch",
    "sports": """nba nfl nhl mlb mls wnba ncaa ncaab cbb cfb soccer football basketball baseball hockey tennis golf
        ufc mma boxing cricket rugby chess cycling f1 formula-1 formula1 nascar epl premier-league champions-league ucl
        la-liga bundesliga serie-a ligue-1 uefa fifa world-cup fifa-world-cup stanley-cup super-bowl olympics ipl atp
        wta wimbledon""",
    "crypto": """bitcoin btc ethereum eth solana sol xrp ripple dogecoin doge bnb cardano hyperliquid crypto-prices
        cryptocurrency defi nft nfts airdrops memecoins stablecoins""",
    "elections": """election us-election us-elections us-presidential-election 2024-election global-elections
        world-elections midterms midterm-elections primaries mayoral-elections""",
    "politics": """us-politics us-current-affairs trump trump-presidency congress senate house-of-representatives
        supreme-court scotus biden white-house cabinet uk-politics government-shutdown""",
    "geopolitics": """ukraine russia middle-east israel gaza palestine iran china taiwan north-korea nato venezuela
        ukraine-peace-deal foreign-policy""",
    "economy": """economics fed fed-rates inflation cpi gdp recession unemployment jobs-report interest-rates
        jerome-powell tariffs trade-war economic-policy macro-indicators""",
    "finance": "stocks equities commodities gold oil forex indices sp500 spx nasdaq earnings ipo ipos",
    "business": "companies ceo mergers acquisitions startups",
    "tech": "technology ai artificial-intelligence openai chatgpt google apple nvidia tesla big-tech anthropic",
    "science": "space spacex nasa health pandemics biology physics medicine",
    "culture": """pop-culture movies music oscars academy-awards awards emmys grammys golden-globes celebrities tv
        television netflix box-office video-games gta-vi eurovision art books creators youtube spotify""",
    "weather": "climate climate-change hurricanes hurricane temperature daily-temperature earthquakes",
    "world": "world-affairs world-news international global",
}

ALIASES: Final = MappingProxyType(
    {slug: category for category, slugs in _SLUGS_OF.items() for slug in slugs.split()}
    | {category: category for category in PRECEDENCE},
)

# An award show is voted on too, and is tagged like an election now and then; it stays culture whatever else is tagged.
_ALWAYS_CULTURE: Final = frozenset({"oscars", "academy-awards", "emmys", "grammys", "golden-globes", "eurovision"})

_HOUSEKEEPING_SLUGS: Final = """all featured new trending popular breaking breaking-news recurring hourly daily weekly
    monthly yearly hide hide-from-new carousel multi-strikes parent-for-derivative 5m 15m 1h 4h"""
_HOUSEKEEPING: Final = frozenset(_HOUSEKEEPING_SLUGS.split())
_HOUSEKEEPING_PREFIXES: Final = ("rewards-", "hide-from-", "earn-")

# `pop-culture` is the upstream's own name of the category, the others are second-rank hints.
_SYNONYMS: Final = MappingProxyType({"pop-culture": "culture"})


def is_housekeeping(slug: str) -> bool:
    """Whether a tag steers the upstream's own pages and says nothing about the question."""
    return slug in _HOUSEKEEPING or slug.startswith(_HOUSEKEEPING_PREFIXES)


def derive_category(
    tag_slugs: Iterable[str],
    *,
    sports_market_type: str = "",
    fee_type: str = "",
    legacy_category: str = "",
) -> str:
    """The category of a market: one of `PRECEDENCE`, or `general`.

    Tried in this order: a category's own slug among the tags, a known slug (`ALIASES`), the type of a sports market,
    the name of the fee schedule (`crypto_fees_v2`), the category that markets of 2020-21 carry.
    """
    slugs = {slug.strip().lower() for slug in tag_slugs}
    if slugs & _ALWAYS_CULTURE:
        return "culture"
    return (
        _highest({_SYNONYMS.get(slug, slug) for slug in slugs})
        or _highest({ALIASES.get(slug, "") for slug in slugs})
        or ("sports" if sports_market_type.strip() else "")
        or _of_fees(fee_type)
        or ALIASES.get(legacy_category.strip().lower(), GENERAL)
    )


def _highest(categories: set[str]) -> str:
    return next((category for category in PRECEDENCE if category in categories), "")


def _of_fees(fee_type: str) -> str:
    name, separator, _ = fee_type.strip().lower().partition("_fees")
    return ALIASES.get(name.partition("_")[0], "") if separator else ""
