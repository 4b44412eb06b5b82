"""Any JSON in any field that Polymarket sends: the object is taken, or skipped and counted; no run ever fails for it.

Lesson 44. What the parser lets through is staged, applied and served; the rest has a reason.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.api.json import dumps
from core.db.sql import fetch_value
from devtools.simulators.polymarket import Simulator
from markets import prices, staging, tasks
from markets.models import Market, MarketResolution
from markets.polymarket.parsing import ParsedMarket, SkipReason, parse_market
from markets.resolution.job import clob_facts
from tests.markets.factories import ingest, polymarket_client, read
from tests.markets.polymarket.market_objects import event, open_market
from tests.markets.polymarket.test_parsing_never_raises import EVENT_KEYS, MARKET_KEYS, WORDS
from tests.markets.resolution.factories import mirror, resolve, some

pytestmark = pytest.mark.django_db

TEXTS = st.sampled_from(
    [
        *("x" * length for length in (50, 51, 66, 100, 101, 200, 201, 300, 301, 500, 501, 2_001, 30_000)),
        *("\U0001f3b2" * length for length in (100, 200, 300, 500)),
        *("\u0130" * length for length in (1, 50, 99, 100)),
        *("HTTPS://X.EXAMPLE/A", "http\u017f://x.example/a", "https://x.example/" + "a" * 2_000, "\\u0000", "a\x00b"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0.5", "1e300", "-0", "1" * 5_000),
    ]
)
NUMBERS = (
    st.sampled_from([2**63, -(2**63) - 1, 2**64, 2**256, 10**400, 10**4_000, 1e300, 1e-300, -0.0, 1.5]) | st.integers()
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | WORDS | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
        | st.builds(lambda slug: [{"slug": slug}], SCALARS)
    ),
    max_leaves=6,
)
CLOB_KEYS = (
    *("condition_id", "closed", "tokens", "is_50_50_outcome", "active", "archived", "accepting_orders"),
    *("token_id", "outcome", "price", "winner", "mid", "bids", "asks", "timestamp"),
)
LONG = st.builds(str.__mul__, st.sampled_from(["x", "\U0001f3b2", "\u0130", "\u1e9e"]), st.integers(1, 600))
IDS = LONG | NUMBERS
SCHEMES = st.sampled_from(["http", "https", "HTTPS", "Http", "http\u017f"])
ADDRESSES = st.builds(lambda scheme, rest: f"{scheme}://x.example/{rest}", SCHEMES, LONG)
TAGS = st.lists(st.builds(lambda slug: {"slug": slug}, LONG), max_size=60)
# Odd, but such that much of it is taken.
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "slug": LONG,
        "question": LONG,
        "description": LONG,
        "groupItemTitle": LONG,
        "image": ADDRESSES,
        "negRiskMarketID": IDS,
        "volume": NUMBERS,
        "volume24hr": NUMBERS,
        "liquidity": NUMBERS,
        "tags": TAGS,
        **dict.fromkeys(("closedTime", "endDate", "resolvedBy", "automaticallyResolved"), NUMBERS | LONG),
        "outcomes": st.lists(LONG, min_size=2, max_size=2),
        "umaResolutionStatuses": st.lists(IDS, max_size=20),
        "clobTokenIds": st.lists(IDS, min_size=2, max_size=2),
    },
)
LIKELY_EVENTS = st.fixed_dictionaries(
    {}, optional={"id": IDS, "slug": LONG, "title": LONG, "tags": TAGS, "negRiskMarketID": IDS, "image": ADDRESSES}
)
MARKETS = LIKELY | st.dictionaries(st.sampled_from(MARKET_KEYS), JSON, min_size=1, max_size=3)
EVENTS = LIKELY_EVENTS | st.dictionaries(st.sampled_from(EVENT_KEYS), JSON, max_size=2)
CLOBS = st.dictionaries(st.sampled_from(CLOB_KEYS), JSON, max_size=3)
EXAMPLES = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
KNOWN = {str(reason) for reason in SkipReason if reason is not SkipReason.unreadable}
KNOWN |= {"closed", "no_price", "not_found", "other_category"}


@contextmanager
def undone() -> Iterator[None]:
    """Each example begins with an empty database."""
    beginning = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(beginning)


@settings(max_examples=100, **EXAMPLES)
@given(st.lists(st.tuples(MARKETS, EVENTS), min_size=1, max_size=4))
def test_what_the_parser_lets_through_is_staged_applied_and_served(api, objects):
    now = datetime.now(UTC)
    parsed = [
        parse_market(open_market(id=number, conditionId=f"0x{number}") | changes, event() | of)
        for number, (changes, of) in enumerate(objects)
    ]
    assert SkipReason.unreadable not in {getattr(market, "reason", None) for market in parsed}
    good = [market for market in parsed if isinstance(market, ParsedMarket)]
    with undone():
        staging.clear_staging()
        staging.stage(good, first_ordinal=0, listed=True)
        with transaction.atomic():
            staging.apply_staged(now=now, checked=[])
            again = staging.apply_staged(now=now, checked=[])
        assert (again.created, again.updated) == (0, 0), "what was stored is what was parsed"
        expected = {market.polymarket_id for market in good if market.odds and not market.closed}
        stored = dict(Market.objects.values_list("polymarket_id", "pk"))
        assert stored.keys() == expected
        for pk in stored.values():
            read(api, f"/{pk}")


@given(st.dictionaries(st.sampled_from(CLOB_KEYS), JSON))
@settings(**EXAMPLES)
def test_whatever_the_second_source_says_can_be_kept(clob):
    with undone():
        assert fetch_value("SELECT %s::jsonb IS NOT NULL", [dumps(clob_facts(clob)).decode()])


@pytest.fixture(scope="module")
def catalogue():
    with Simulator(seed=7, events=5) as simulator:
        yield simulator


@settings(max_examples=40, **EXAMPLES)
@given(st.lists(st.tuples(MARKETS, CLOBS), min_size=1, max_size=3))
def test_ingestion_and_odds_go_on_for_all_others(catalogue, objects):
    now = datetime.now(UTC)
    good = catalogue.world.good_markets()
    with undone(), poisoned(good, objects) as healthy:
        result = ingest(catalogue, now=now)
        assert result["reasons"].keys() <= KNOWN
        stored = dict(Market.objects.values_list("polymarket_id", "pk"))
        assert {market.condition_id for market in healthy} <= stored.keys()
        prices.watch_markets(stored.values(), until=now + timedelta(hours=1))
        refreshed = tasks.run_odds_refresh(client=polymarket_client(catalogue), now=now + timedelta(seconds=30))
        assert len(healthy) <= refreshed["refreshed"] <= refreshed["watched"] == len(stored)
        assert "errors" not in refreshed


@pytest.fixture(scope="module")
def ended():
    """Markets that are over, and who won."""
    with Simulator(seed=7, events=8) as simulator:
        for market in some(simulator, 6):
            market.resolve("this")
        yield simulator


@settings(max_examples=40, **EXAMPLES)
@given(st.lists(st.tuples(MARKETS, CLOBS), min_size=1, max_size=3))
def test_resolution_goes_on_for_all_others(ended, objects):
    over = [market for market in ended.world.markets if market.clob_outcome == "this"][:6]
    assert len(over) == 6
    with undone(), poisoned(over, objects) as healthy:
        here = {market.condition_id: mirror(market) for market in over}
        result = resolve(ended)
        assert result["asked"] == len(over)
        assert "errors" not in result
        for market in healthy:
            row = here[market.condition_id]
            row.refresh_from_db(fields=["status", "resolution"])
            assert (row.status, row.resolution) == ("resolved", "this")
        assert MarketResolution.objects.count() >= len(healthy)


@contextmanager
def poisoned(markets, objects) -> Iterator[list]:
    """The first markets with these values in their fields; yields the others."""
    odd, healthy = markets[: len(objects)], markets[len(objects) :]
    for market, (gamma, clob) in zip(odd, objects, strict=True):
        for field, value in gamma.items():
            market.poison(field, value)
        for field, value in clob.items():
            market.poison(field, value, host="clob")
    try:
        yield [market for market in healthy if market.condition_id not in {other.condition_id for other in odd}]
    finally:
        for market in odd:
            market.cure()
