"""What is expected of each object that the upstream really sent, where the recordings lie beside the repository.

The same rules are checked on hand-written objects in `test_parsing.py`, so nothing here is the only proof of a rule;
`test_each_recording_is_in_the_table` holds wherever the tests run.
"""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from markets.polymarket.parsing import Odds, ParsedMarket, Skipped, SkipReason, parse_market
from tests.markets.polymarket.market_objects import closed_market, event, open_market

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "polymarket" / "recorded"
IMAGES = "https://polymarket-upload.s3.us-east-2.amazonaws.com/"

PAGE = "gamma_markets_page_100_2026-02-13.json"
FED = "gamma_events_fed_chair_27markets_2026-01-23_t1.json"
FIVE = "gamma_markets_5_2026-06-21.json"
HOURLY = "gamma_markets_closed_hourly_eth_x2_2026-06-10.json"

# Files of single Gamma markets: the id, and what is expected.
SINGLE: dict[str, tuple[str, Any]] = {
    "gamma_market.json": (
        "1557558",
        {
            "title": "Bitcoin Up or Down - March 12, 5:20AM-5:25AM ET",
            "this_option": "Up",
            "that_option": "Down",
            "this_token_id": "104239898038807136052399800151408521467737075933964991162589336683346093173875",
            "odds": Odds(Decimal("0.5050"), Decimal("0.4950")),
            "liquidity": Decimal("20328.37"),
            "volume": Decimal("10.00"),
            "volume_24hr": Decimal("10.00"),
            "category": "crypto",
            "image_url": IMAGES + "BTC+fullsize.png",
            "expires_at": datetime(2026, 3, 12, 9, 25, tzinfo=UTC),
            "accepting_orders": True,
            "upstream_event_id": "260654",
            "closed": False,
            "resolution_status": "",
        },
    ),
    "gamma_market_closed_binary_accepting_false.json": (
        "1460332",
        {
            "odds": Odds(Decimal(0), Decimal(1)),
            "liquidity": None,
            "volume": None,
            "closed": True,
            "closed_at": datetime(2026, 3, 19, 23, 20, 15, tzinfo=UTC),
            "resolution_status": "resolved",
            "accepting_orders": False,
            "expires_at": datetime(2028, 1, 1, 5, tzinfo=UTC),
            "group_title": "$1B",
            "category": "general",
        },
    ),
    # A scalar market: two options, closed with prices in between. Its facts are kept; they never name a winner.
    "gamma_market_closed_nonbinary_legacy.json": (
        "43",
        {
            "this_option": "Long",
            "that_option": "Short",
            "odds": Odds(Decimal("0.5843"), Decimal("0.4157")),
            "closed": True,
            "closed_at": datetime(2021, 1, 2, 21, 45, 52, tzinfo=UTC),
            "resolution_status": "",
            "category": "crypto",
        },
    ),
    "gamma_market_closed_zero_zero_legacy.json": (
        "12",
        {"odds": None, "closed": True, "resolution_status": "", "category": "politics", "liquidity": Decimal("0.00")},
    ),
    "gamma_market_resolved_yes_553824_2026-06-16.json": (
        "553824",
        {
            "odds": Odds(Decimal(1), Decimal(0)),
            "closed": True,
            "closed_at": datetime(2026, 6, 15, 6, 4, 30, tzinfo=UTC),
            "resolution_status": "resolved",
            "accepting_orders": False,
            "volume": Decimal("2107510.00"),
            "category": "sports",
            "event_title": "2026 NHL Stanley Cup Champion",
            "group_title": "Carolina Hurricanes",
            "neg_risk": True,
            "neg_risk_id": "0x7faa974ff857682d64433d5c4dfba46ff51415a68cbd5bd1994248df2d561200",
        },
    ),
    "gamma_market_three_outcomes_214743.json": ("214743", SkipReason.not_binary),
}

# Not Gamma markets at all: none has a `conditionId`, so none can pass for a market.
NO_MARKETS = {
    "clob_book_fed_chair.json",
    "clob_market_closed_binary_accepting_false.json",
    "clob_markets_subset_incl_50_50_2025-05.json",
    "gamma_tags.json",
    "ws_best_bid_ask.json",
    "ws_book.json",
    "ws_last_trade_price.json",
    "ws_market_resolved.json",
    "ws_new_market.json",
    "ws_price_change.json",
    "ws_price_change_both_tokens.json",
    "ws_tick_size_change.json",
}

FED_GOOD = {*range(572469, 572490), 572491, 572492, 572494, 572506}
FED_INACTIVE = {572490, 572493, *range(572495, 572506), 572507}

ODDS_OF_FIVE = {"540817": "0.51", "540818": "0.51", "540819": "0.495", "540820": "0.505", "540843": "0.505"}

# id: THIS odds, end, end of the image's address
SAMPLE_OF_PAGE = {
    "517310": ("0.0580", "2025-12-31T12:00:00+00:00", "how-many-people-will-trump-deport-in-2025-itZ0rMnIYuju.jpg"),
    "517311": ("0.8945", "2025-12-31T12:00:00+00:00", ".jpg"),
    "528820": ("0.0165", "2025-12-31T12:00:00+00:00", "-IP21k-5f6niT.png"),
    "544094": ("0.0250", "2025-12-31T12:00:00+00:00", "harvey-weinstein-prison-time-C0vjbSkDw4Cy.jpg"),
    "549873": ("0.0010", "2026-12-31T00:00:00+00:00", "-the-next-prime-minister-of-the-netherlands-dUCXL3xEcQQb.jpg"),
    "553825": ("0.0150", "2026-06-30T00:00:00+00:00", "stanley-cup-champion-2026-05M0VRODAaEb.jpg"),
    "553864": ("0.0060", "2026-07-01T00:00:00+00:00", "nba-finals-points-leader-7g2ZEZvMXxLb.jpg"),
}


def recorded(name: str) -> list[dict[str, Any]]:
    """The objects of a recording; none where the recordings aren't at hand."""
    path = RECORDED / name
    if not path.exists():
        return []
    content = json.loads(path.read_text(), parse_float=Decimal)
    return content if isinstance(content, list) else [content]


def parsed_by_id(name: str) -> dict[str, ParsedMarket | Skipped]:
    """What each object was parsed to, by upstream id."""
    objects = recorded(name)
    of = objects[0] if name == FED and objects else None
    markets = of["markets"] if of else objects
    return {str(market["id"]): parse_market(market, of) for market in markets}


def good(name: str) -> dict[str, ParsedMarket]:
    """Those parsed as good, all of which have the marks of a good open market when they are open."""
    return {key: market for key, market in parsed_by_id(name).items() if isinstance(market, ParsedMarket)}


def test_each_recording_is_in_the_table():
    found = {path.name for path in RECORDED.glob("*.json")}
    assert found <= {*SINGLE, *NO_MARKETS, PAGE, FED, FIVE, HOURLY}


@pytest.mark.parametrize("name", SINGLE)
def test_single_markets(name):
    market_id, expected = SINGLE[name]
    for key, market in parsed_by_id(name).items():
        assert key == market_id
        if isinstance(expected, SkipReason):
            assert isinstance(market, Skipped)
            assert market.reason is expected
        else:
            assert {field: getattr(market, field) for field in expected} == expected


@pytest.mark.parametrize("name", sorted(NO_MARKETS))
def test_other_objects_are_no_markets(name):
    parsed = [parse_market(thing) for thing in recorded(name)]
    assert {result.reason for result in parsed if isinstance(result, Skipped)} <= {SkipReason.no_condition_id}
    assert not [result for result in parsed if isinstance(result, ParsedMarket)]


def test_all_of_the_page_of_100_are_good():
    sent, markets = recorded(PAGE), good(PAGE)
    assert len(sent) in {0, 100}
    assert len(markets) == len(sent)
    assert len({market.polymarket_id for market in markets.values()}) == len(sent)
    for raw in sent:
        market = markets[raw["id"]]
        assert market.odds == Odds(
            *(Decimal(price).quantize(Decimal("0.0001")) for price in json.loads(raw["outcomePrices"]))
        )
        assert market.odds.this + market.odds.that == 1
        assert (market.this_option, market.that_option) == ("Yes", "No")
        assert [market.this_token_id, market.that_token_id] == json.loads(raw["clobTokenIds"])
        assert (market.title, market.image_url) == (raw["question"], raw["image"])
        assert (market.accepting_orders, market.closed, market.closed_at) == (True, False, None)
        assert (market.upstream_event_id, market.event_title) == (
            raw["events"][0]["id"],
            raw["events"][0]["title"].strip(),
        )
        assert (market.category, market.tags) == ("general", ())  # neither tags nor a fee schedule were sent with it


@pytest.mark.parametrize("market_id", SAMPLE_OF_PAGE)
def test_a_sample_of_the_page_of_100(market_id):
    this, end, image = SAMPLE_OF_PAGE[market_id]
    for market in [good(PAGE)[market_id]] if recorded(PAGE) else []:
        assert market.odds
        assert str(market.odds.this) == this
        assert market.expires_at
        assert market.expires_at.isoformat() == end
        assert market.image_url.startswith(IMAGES)
        assert market.image_url.endswith(image)


def test_the_ends_in_the_page_of_100():
    ends = Counter(str(market.expires_at)[:10] for market in good(PAGE).values())
    expected = {
        "2026-06-30": 32,
        "2025-12-31": 23,
        "2026-02-28": 11,
        "2026-12-31": 10,
        "2026-07-01": 9,
        "2026-07-31": 7,
        "2026-04-12": 4,
        "2026-03-31": 1,
        "2026-01-30": 1,
        "2026-05-31": 1,
        "None": 1,
    }
    assert ends in ({}, expected)
    assert [key for key, market in good(PAGE).items() if market.expires_at is None] in ([], ["546612"])


def test_the_neg_risk_groups_in_the_page_of_100():
    assert Counter(market.neg_risk for market in good(PAGE).values()) in ({}, {True: 78, False: 22})


def test_of_the_fed_event_the_named_candidates_are_good_and_the_placeholders_skipped():
    parsed = parsed_by_id(FED)
    assert {int(key) for key in good(FED)} in (set(), FED_GOOD)
    reasons = {int(key): market.reason for key, market in parsed.items() if isinstance(market, Skipped)}
    assert reasons in ({}, dict.fromkeys(FED_INACTIVE, SkipReason.inactive))


def test_the_fed_event_hands_its_tags_and_title_down():
    for market in good(FED).values():
        assert market.category == "politics"
        assert market.tags == ("fed", "fed-rates", "jerome-powell", "politics", "trump", "trump-presidency")
        assert market.event_title == "Who will Trump nominate as Fed Chair?"
        assert market.neg_risk
        assert market.neg_risk_id == "0x4714f4189125bba4cb9e6f9e8b5757ebd34a5be31379c33a665e4b0ca9738600"
        assert market.group_title
        assert market.expires_at == datetime(2026, 12, 31, tzinfo=UTC)
    for market in [good(FED)["572469"]] if recorded(FED) else []:
        assert market.group_title == "Kevin Warsh"
        assert market.odds == Odds(Decimal("0.4450"), Decimal("0.5550"))


def test_the_five_markets_of_june():
    odds = {key: str(market.odds and market.odds.this.normalize()) for key, market in good(FIVE).items()}
    assert odds in ({}, ODDS_OF_FIVE)
    assert {market.expires_at for market in good(FIVE).values()} <= {datetime(2026, 7, 31, 12, tzinfo=UTC)}


def test_the_two_closed_hourly_markets():
    markets = good(HOURLY)
    assert len(markets) == len(recorded(HOURLY))
    for market in markets.values():
        assert market.odds == Odds(Decimal(0), Decimal(1))
        assert (market.closed, market.accepting_orders, market.resolution_status) == (True, False, "resolved")
        assert (market.category, market.liquidity, market.volume) == ("crypto", None, Decimal("160.00"))
        assert market.expires_at == datetime(2026, 6, 10, 13, tzinfo=UTC)


# The shapes of the recordings again, by hand: parsed the same wherever the tests run.
SHAPES = [
    (open_market(), None),
    (open_market(outcomes='["Up", "Down"]', feeType="crypto_fees"), None),
    (open_market("endDate"), None),
    (closed_market(), None),
    (closed_market(outcomePrices='["0", "0"]'), None),
    (
        closed_market(
            outcomePrices='["0.58433116690776931466", "0.41566883309223068534"]', outcomes='["Long", "Short"]'
        ),
        None,
    ),
    (open_market("outcomePrices", active=False), SkipReason.inactive),
    (open_market(active=False, archived=True), SkipReason.inactive),
    (closed_market(outcomes='["Under", "Between", "Over"]'), SkipReason.not_binary),
    ({"id": "101259", "label": "Health", "slug": "health"}, SkipReason.no_condition_id),
    (event(), SkipReason.no_condition_id),
]


@pytest.mark.parametrize(("market", "reason"), SHAPES)
def test_objects_of_the_recorded_shapes(market, reason):
    result = parse_market(market, None)
    assert (result.reason if isinstance(result, Skipped) else None) == reason
