"""Gamma market object in, a typed value or a named reason for skipping out. Pure: no Django, no I/O, no time.

Likewise for the price history of a token, which the CLOB has.

Names and shapes of the fields: Polymarket API reference, Gamma markets and events.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Final

from markets.polymarket import books, values
from markets.polymarket.categories import derive_category, is_housekeeping

# The longest text kept, in characters, which the fields of the models take from here. Text is cut there; ids and
# addresses are never cut, but refused.
ID_MAX: Final = 200
TITLE_MAX: Final = 500
SLUG_MAX: Final = 300
DESCRIPTION_MAX: Final = 20_000
OPTION_MAX: Final = 100
CATEGORY_MAX: Final = 50  # and every other single word
TAG_MAX: Final = 100
TAGS_MAX: Final = 50  # tags a market
IMAGE_URL_MAX: Final = 2000
GROUP_TITLE_MAX: Final = 300

PAST_PRICES_MAX: Final = 50_000  # of one response; more are not looked at
SUM_TOLERANCE: Final = Decimal("0.02")  # how far from 1 two opposite prices may add up

# What resolution decides by. Fields that change at every poll without meaning (`updatedAt`) stay out: a market that
# didn't change has to compare equal.
RAW_FACTS: Final = (
    "active",
    "closed",
    "archived",
    "acceptingOrders",
    "outcomes",
    "outcomePrices",
    "umaResolutionStatus",
    "umaResolutionStatuses",
    "closedTime",
    "resolvedBy",
    "automaticallyResolved",
    "endDate",
)

# Labels of outcomes that have no name yet: a common noun and a letter.
UNNAMED: Final = re.compile(
    r"(artist|candidate|company|country|individual|movie|option|outcome|party|person|player|team) [a-z]{1,2}",
    re.IGNORECASE,
)

_OPTIONS = 2


class SkipReason(StrEnum):
    """Why an object is no market that can be listed or resolved here. Checked in this order: the first one counts."""

    not_an_object = "not_an_object"  # a list, text, a number or null instead of a market
    no_condition_id = "no_condition_id"  # `conditionId` missing, empty or no text: nothing to know it again by
    bad_value = "bad_value"  # an id too long to be one, or `active`, `closed`, `archived` that is no boolean
    inactive = "inactive"  # `active: false` while not closed: a placeholder or a draft, even with old prices
    archived = "archived"  # `archived: true` while not closed: withdrawn by the upstream
    no_question = "no_question"  # no `question` to show
    bad_outcomes = "bad_outcomes"  # outcomes missing, unreadable, fewer than two, empty, or both the same
    not_binary = "not_binary"  # more than two outcomes, a form of 2020-21
    no_tokens = "no_tokens"  # `clobTokenIds` isn't two different ids: no price could be requested, no winner confirmed
    bad_prices = "bad_prices"  # open, and the prices sent are no probabilities or don't add up to about 1
    no_image = "no_image"  # open, and neither market nor event has an image or icon
    unreadable = "unreadable"  # the parser failed on it, which is an error of ours


@dataclass(frozen=True, slots=True)
class Odds:
    """Prices of the two options: 4 decimals, each in [0, 1]; they add up to 1 when those sent did."""

    this: Decimal
    that: Decimal


@dataclass(frozen=True, slots=True)
class ParsedMarket:
    """A market as the upstream states it now. Times are aware and in UTC; text is clean and bounded."""

    polymarket_id: str  # `conditionId`
    upstream_id: str  # Gamma's numeric id
    slug: str
    title: str
    description: str
    this_option: str  # index 0 is THIS, whatever the words are
    that_option: str
    this_token_id: str
    that_token_id: str
    odds: Odds | None  # None: no usable price was sent, which must never blank a stored one
    bid: Decimal | None  # best prices of THIS, 4 decimals, between 0 and 1; None: no such order, or not known
    ask: Decimal | None
    last_trade: Decimal | None  # of THIS, likewise
    liquidity: Decimal | None  # US dollars, 2 decimals, >= 0; None: not sent
    volume: Decimal | None
    volume_24hr: Decimal | None
    category: str
    tags: tuple[str, ...]  # lower-case slugs, sorted, without housekeeping ones
    image_url: str  # "" only when closed
    expires_at: datetime | None  # the planned end; says nothing about being over
    accepting_orders: bool  # never when closed, whatever was sent
    upstream_event_id: str  # "" where none was sent: then the market belongs to no event
    event_slug: str
    event_title: str
    event_image_url: str
    event_expires_at: datetime | None
    event_neg_risk: bool
    group_title: str  # the candidate's name where an event asks one question of many
    is_placeholder: bool  # the outcome has no name yet, or is all that have none
    neg_risk: bool
    neg_risk_id: str
    closed: bool
    closed_at: datetime | None
    resolution_status: str  # `umaResolutionStatus` in lower case, else the last of `umaResolutionStatuses`, else ""
    upstream_facts: dict[str, values.JSON]  # the fields of `RAW_FACTS` that were sent


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object that is left out; `detail` is a sentence for a log, short and without its content."""

    reason: SkipReason
    polymarket_id: str  # "" when there is none
    detail: str


class _Skip(Exception):
    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def parse_market(market: object, event: Mapping[str, object] | None = None) -> ParsedMarket | Skipped:
    """Parse one market object; never raises, whatever JSON `market` and `event` are.

    `event` is the object in which the market was nested (a nested market carries no tags); without it the first of the
    market's own `events` is used.
    """
    if not isinstance(market, Mapping):
        return Skipped(SkipReason.not_an_object, "", type(market).__name__)
    try:
        return _parsed(market, _event_of(market, event))
    except _Skip as skip:
        return Skipped(skip.reason, values.as_text(market.get("conditionId"), ID_MAX), skip.detail)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the other objects from being read
        polymarket_id = values.as_text(market.get("conditionId"), ID_MAX)
        return Skipped(SkipReason.unreadable, polymarket_id, type(error).__name__)


def _event_of(market: Mapping[str, object], event: object) -> Mapping[str, object]:
    if isinstance(event, Mapping):
        return event
    events = values.as_list(market.get("events"))
    return values.as_mapping(events[0]) if events else {}


def _parsed(market: Mapping[str, object], event: Mapping[str, object]) -> ParsedMarket:
    polymarket_id = _condition_id(market)
    closed = _is_closed(market)
    title = values.as_text(market.get("question"), TITLE_MAX)
    if not title:
        raise _Skip(SkipReason.no_question, _name(market))
    this_option, that_option = _options(market)
    this_token_id, that_token_id = _token_ids(market)
    tags = _tags(market, event)
    odds = _odds(market, closed=closed)
    bid, ask = (None, None) if closed else _best_prices(market, odds)
    group_title = values.as_text(market.get("groupItemTitle"), GROUP_TITLE_MAX)
    neg_risk = values.as_flag(market.get("negRisk", event.get("negRisk"))) is True
    return ParsedMarket(
        polymarket_id=polymarket_id,
        upstream_id=values.as_identifier(market.get("id"), ID_MAX),
        slug=values.as_text(market.get("slug"), SLUG_MAX),
        title=title,
        description=values.as_text(market.get("description"), DESCRIPTION_MAX),
        this_option=this_option,
        that_option=that_option,
        this_token_id=this_token_id,
        that_token_id=that_token_id,
        odds=odds,
        bid=bid,
        ask=ask,
        last_trade=books.parse_trade(market.get("lastTradePrice")),
        liquidity=_money(market, "liquidity", "liquidityNum"),
        volume=_money(market, "volume", "volumeNum"),
        volume_24hr=_money(market, "volume24hr", "volume24hrClob"),
        category=_category(market, event, tags),
        tags=tuple(slug for slug in tags if not is_housekeeping(slug)),
        image_url=_image_url(market, event, closed=closed),
        expires_at=values.as_time(market.get("endDate")),
        accepting_orders=not closed and _accepts_orders(market),
        upstream_event_id=values.as_identifier(event.get("id"), ID_MAX),
        event_slug=values.as_text(event.get("slug"), SLUG_MAX),
        event_title=values.as_text(event.get("title"), TITLE_MAX),
        event_image_url=_first_address(event.get(name) for name in ("image", "icon")),
        event_expires_at=values.as_time(event.get("endDate")),
        event_neg_risk=values.as_flag(event.get("negRisk")) is True,
        group_title=group_title,
        is_placeholder=neg_risk and _is_placeholder(market, group_title),
        neg_risk=neg_risk,
        neg_risk_id=values.first_of(
            values.as_identifier(source.get("negRiskMarketID"), ID_MAX) for source in (market, event)
        ),
        closed=closed,
        closed_at=values.as_time(market.get("closedTime")),
        resolution_status=_resolution_status(market),
        upstream_facts={name: values.verbatim(market[name]) for name in RAW_FACTS if name in market},
    )


def _name(market: Mapping[str, object]) -> str:
    return f"id {values.as_identifier(market.get('id'), ID_MAX) or 'unknown'}"


def _condition_id(market: Mapping[str, object]) -> str:
    sent = values.as_text(market.get("conditionId"), ID_MAX + 1)
    if not sent:
        raise _Skip(SkipReason.no_condition_id, _name(market))
    if len(sent) > ID_MAX:
        raise _Skip(SkipReason.bad_value, "conditionId is too long")
    return sent


def _is_closed(market: Mapping[str, object]) -> bool:
    """Whether the market is closed. A missing boolean means an ordinary market; an unreadable one is not guessed."""
    closed = _flag(market, "closed", default=False)
    if not _flag(market, "active", default=True) and not closed:
        raise _Skip(SkipReason.inactive, _name(market))
    if _flag(market, "archived", default=False) and not closed:
        raise _Skip(SkipReason.archived, _name(market))
    return closed


def _flag(market: Mapping[str, object], name: str, *, default: bool) -> bool:
    sent = market.get(name)
    value = default if sent is None else values.as_flag(sent)
    if value is None:
        raise _Skip(SkipReason.bad_value, f"{name} is no boolean")
    return value


def _accepts_orders(market: Mapping[str, object]) -> bool:
    """As stated; an open market that says nothing accepts orders, one that says nonsense doesn't."""
    stated = market.get("acceptingOrders")
    return stated is None or values.as_flag(stated) is True


def _options(market: Mapping[str, object]) -> tuple[str, str]:
    outcomes = values.as_list(market.get("outcomes")) or []
    if len(outcomes) > _OPTIONS:
        raise _Skip(SkipReason.not_binary, f"{len(outcomes)} outcomes")
    return _two_different([values.as_text(outcome, OPTION_MAX) for outcome in outcomes], SkipReason.bad_outcomes)


def _token_ids(market: Mapping[str, object]) -> tuple[str, str]:
    token_ids = values.as_list(market.get("clobTokenIds")) or []
    return _two_different([values.as_identifier(token, ID_MAX) for token in token_ids], SkipReason.no_tokens)


def _two_different(found: list[str], reason: SkipReason) -> tuple[str, str]:
    if len(found) != _OPTIONS or not all(found) or found[0] == found[1]:
        raise _Skip(reason, f"{sum(map(bool, found))} usable of {len(found)}")
    return found[0], found[1]


def _odds(market: Mapping[str, object], *, closed: bool) -> Odds | None:
    sent = market.get("outcomePrices")
    prices = values.as_list(sent)
    if sent is None or sent == "" or prices == []:
        return None
    numbers = [values.as_decimal(price) for price in prices or []]
    if numbers == [0, 0]:
        return None  # nothing was ever quoted
    odds = _probabilities(numbers)
    if odds is None and not closed:
        raise _Skip(SkipReason.bad_prices, f"{len(numbers)} prices")
    return odds


def _probabilities(numbers: list[Decimal | None]) -> Odds | None:
    usable = [number for number in numbers if number is not None and 0 <= number <= 1]
    if len(numbers) != _OPTIONS or len(usable) != _OPTIONS:
        return None
    total = values.EXACT.add(usable[0], usable[1])
    if values.EXACT.subtract(total, Decimal(1)).copy_abs() > SUM_TOLERANCE:
        return None
    this, that = (values.quantized(number, 4) for number in usable)
    return Odds(this, 1 - this if total == 1 else that)


def _best_prices(market: Mapping[str, object], odds: Odds | None) -> tuple[Decimal | None, Decimal | None]:
    """Return bid and ask. Without prices, or where the three contradict each other, none of them is believed."""
    bid = _best_price(market.get("bestBid"), books.round_down)
    ask = _best_price(market.get("bestAsk"), books.round_up)
    if odds is None or (bid is not None and ask is not None and not (bid < ask and bid <= odds.this <= ask)):
        return None, None
    return bid, ask


def _best_price(sent: object, rounded: Callable[[Decimal], Decimal]) -> Decimal | None:
    """Return a best price; 0 and 1 stand for none."""
    price = values.as_decimal(sent)
    if price is None or not 0 < price < 1:
        return None
    price = rounded(price)
    return price if 0 < price < 1 else None


def _money(market: Mapping[str, object], *names: str) -> Decimal | None:
    amounts = (values.as_money(market.get(name)) for name in names)
    return next((amount for amount in amounts if amount is not None), None)


def _tags(market: Mapping[str, object], event: Mapping[str, object]) -> list[str]:
    sent = [*(values.as_list(event.get("tags")) or []), *(values.as_list(market.get("tags")) or [])]
    slugs = (values.as_word(values.as_mapping(tag).get("slug"), TAG_MAX) for tag in sent[:TAGS_MAX])
    return sorted({slug for slug in slugs if slug})


def _category(market: Mapping[str, object], event: Mapping[str, object], tags: list[str]) -> str:
    return derive_category(
        tags,
        sports_market_type=values.as_text(market.get("sportsMarketType"), CATEGORY_MAX),
        fee_type=values.as_text(market.get("feeType"), CATEGORY_MAX),
        legacy_category=values.first_of(
            values.as_text(source.get("category"), CATEGORY_MAX) for source in (market, event)
        ),
    )


def _image_url(market: Mapping[str, object], event: Mapping[str, object], *, closed: bool) -> str:
    if (
        found := _first_address(source.get(name) for source in (market, event) for name in ("image", "icon"))
    ) or closed:
        return found
    raise _Skip(SkipReason.no_image, _name(market))


def _first_address(sent: Iterable[object]) -> str:
    return values.first_of(values.as_web_address(address, IMAGE_URL_MAX) for address in sent)


def _is_placeholder(market: Mapping[str, object], label: str) -> bool:
    """Whether it is one of the unnamed outcomes of an event to which named ones may be added.

    Polymarket lists them as inactive until they have a name; the flag is set on the one that stands for all others.
    """
    return values.as_flag(market.get("negRiskOther")) is True or UNNAMED.fullmatch(label) is not None


def _resolution_status(market: Mapping[str, object]) -> str:
    earlier = values.as_list(market.get("umaResolutionStatuses")) or [""]
    said = (values.as_text(status, CATEGORY_MAX) for status in (market.get("umaResolutionStatus"), earlier[-1]))
    return values.first_of(said).lower()


def parse_price_history(sent: object, *, after: datetime, until: datetime) -> dict[datetime, Decimal]:
    """Return the price at each time that is later than `after` and no later than `until`, oldest first, 4 decimals.

    What isn't `{"t": <whole seconds>, "p": <0 to 1>}` is left out; of several prices for one time the last counts.
    """
    points = sent if isinstance(sent, list) else []
    seconds = range(int(after.timestamp()) + 1, int(until.timestamp()) + 1)
    found: dict[int, Decimal] = {}
    for point in map(values.as_mapping, points[:PAST_PRICES_MAX]):
        moment, price = point.get("t"), values.as_decimal(point.get("p"))
        if type(moment) is int and moment in seconds and price is not None and 0 <= price <= 1:
            found[moment] = price.quantize(books.STEP, rounding=ROUND_HALF_EVEN, context=values.EXACT)
    return {datetime.fromtimestamp(moment, UTC): found[moment] for moment in sorted(found)}
