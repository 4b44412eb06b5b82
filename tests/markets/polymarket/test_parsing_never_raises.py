import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from markets.polymarket.parsing import ID_MAX, OPTION_MAX, TITLE_MAX, Odds, ParsedMarket, Skipped, parse_market
from tests.markets.polymarket.market_objects import closed_market, event, open_market

TEXT = st.text(st.characters(), max_size=20)  # lone surrogates included
WORDS = st.sampled_from(
    [
        "",
        "NaN",
        "Infinity",
        "-1",
        "1e999",
        "1E999",
        "[",
        "[]",
        "{}",
        "null",
        '["a","b"]',
        '["0.5","0.5"]',
        '["1","1e-999"]',
        "[" * 5000,
        "[1e99999999999999999999]",
        "[" + "9" * 5000 + "]",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01 00:00:00+00",
        "\x00",
        "\ud800",
        "true",
        "false",
        "https://x.example/a",
        "\u0660.\u0665",
    ],
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000), Decimal("1e-999999"), Decimal("9e999999"), Decimal("sNaN"), Decimal("-0")])
    | st.floats()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | TEXT
    | WORDS
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8
)
MARKET_KEYS = sorted(
    {*open_market(), *closed_market(), "events", "tags", "category", "feeType", "sportsMarketType", "negRiskMarketID"}
)
EVENT_KEYS = sorted({*event(), "category"})
PAIRS = st.lists(SCALARS, min_size=2, max_size=2)


def check(result: ParsedMarket | Skipped) -> None:
    """What every caller relies on, whatever was sent."""
    if isinstance(result, Skipped):
        assert len(result.polymarket_id) <= ID_MAX
        assert len(result.detail) <= 200
        return
    assert 0 < len(result.title) <= TITLE_MAX
    assert 0 < len(result.this_option) <= OPTION_MAX
    assert result.this_token_id != result.that_token_id
    assert result.image_url or result.closed
    assert not (result.closed and result.accepting_orders)
    check_odds(result.odds)
    for amount in (result.liquidity, result.volume, result.volume_24hr):
        assert amount is None or (amount.as_tuple().exponent == -2 and 0 <= amount < 10**16)
    for moment in (result.expires_at, result.closed_at):
        assert moment is None or moment.utcoffset() is not None
    written = json.dumps(
        [result.upstream_facts, result.title, result.tags, result.event_title, result.category], allow_nan=False
    )
    assert "\\u0000" not in written
    json.loads(written)
    "".join([result.title, result.description, result.slug, *result.tags, result.event_title]).encode()


def check_odds(odds: Odds | None) -> None:
    if odds is not None:
        assert all(price.as_tuple().exponent == -4 and 0 <= price <= 1 for price in (odds.this, odds.that))
        assert abs(odds.this + odds.that - 1) <= Decimal("0.0201")


@given(JSON, JSON)
def test_any_json_is_parsed(market, of):
    check(parse_market(market, of))


@settings(max_examples=300)
@given(
    st.sampled_from([open_market(), closed_market()]),
    st.dictionaries(st.sampled_from(MARKET_KEYS), JSON | PAIRS, max_size=3),
    st.dictionaries(st.sampled_from(EVENT_KEYS), JSON, max_size=3),
    st.sets(st.sampled_from(MARKET_KEYS), max_size=2),
)
def test_a_good_market_with_some_fields_broken_or_missing_is_parsed(market, changes, event_changes, missing):
    broken = {name: value for name, value in (market | changes).items() if name not in missing}
    check(parse_market(broken, event() | event_changes))
    check(parse_market(broken | {"events": [event() | event_changes]}))


@given(PAIRS)
def test_any_two_prices_are_parsed(prices):
    check(parse_market(open_market(outcomePrices=prices)))
    check(parse_market(closed_market(outcomePrices=prices)))


@given(st.lists(st.decimals("0", "1", allow_nan=False), min_size=1, max_size=1))
def test_prices_that_add_up_to_one_still_do_when_rounded(prices):
    exact = [str(prices[0]), str(1 - prices[0])]
    market = parse_market(open_market(outcomePrices=json.dumps(exact)))
    check(market)
    if isinstance(market, ParsedMarket) and market.odds and Decimal(exact[0]) + Decimal(exact[1]) == 1:
        assert market.odds.this + market.odds.that == 1


def test_an_integer_too_long_to_be_written_out_is_parsed_in_every_field():
    for name in MARKET_KEYS:
        check(parse_market(open_market(**{name: 10**5000})))
        check(parse_market(closed_market(**{name: [10**5000, -(10**5000)]})))
