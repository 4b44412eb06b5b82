"""Prices, amounts and times, as sent and as broken as they may be."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from markets.polymarket.parsing import SkipReason
from tests.markets.polymarket.market_objects import closed_market, open_market, parsed, skipped


@pytest.mark.parametrize("sent", [None, "", "[]", [], '["0", "0"]', [0, 0]])
def test_prices_that_were_not_sent_are_no_odds_rather_than_a_half(sent):
    assert parsed(open_market(outcomePrices=sent)).odds is None
    assert parsed(open_market("outcomePrices")).odds is None


BAD_PRICES = [
    '["NaN", "0.5"]',
    '["Infinity", "0"]',
    '["-0.1", "1.1"]',
    '["1.5", "-0.5"]',
    '["half", "0.5"]',
    '["0.5"]',
    '["0.5", "0.3", "0.2"]',
    '["0.6", "0.6"]',
    '["0.4", "0.4"]',
    '["0.5", null]',
    '["0.5", true]',
    "not json",
    '{"0": 1}',
    0.5,
    [float("nan"), 0.5],
]


@pytest.mark.parametrize("sent", BAD_PRICES)
def test_unusable_prices_of_an_open_market_are_skipped(sent):
    assert skipped(open_market(outcomePrices=sent)) is SkipReason.bad_prices


@pytest.mark.parametrize("sent", BAD_PRICES)
def test_unusable_prices_of_a_closed_market_are_no_odds(sent):
    assert parsed(closed_market(outcomePrices=sent)).odds is None


@pytest.mark.parametrize(
    ("sent", "this", "that"),
    [
        (["0.49", "0.49"], "0.4900", "0.4900"),
        (["0.51", "0.51"], "0.5100", "0.5100"),
        (["1", "0"], "1.0000", "0.0000"),
        (["0.12345", "0.87655"], "0.1234", "0.8766"),
        (["0.00005", "0.99995"], "0.0000", "1.0000"),
        (["0.5843311669077693146635445446077281", "0.4156688330922306853364554553922719"], "0.5843", "0.4157"),
        (["5E-1", "0.5"], "0.5000", "0.5000"),
        ([0.1, 0.9], "0.1000", "0.9000"),
        (["-0", "1"], "0.0000", "1.0000"),
    ],
)
def test_odds_have_four_decimals_and_keep_adding_up_to_one(sent, this, that):
    odds = parsed(open_market(outcomePrices=json.dumps(sent))).odds
    assert odds is not None
    assert (str(odds.this), str(odds.that)) == (this, that)


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ("0.125", "0.12"),
        ("0.135", "0.14"),
        (7, "7.00"),
        (2.675, "2.68"),
        (Decimal("9.999997"), "10.00"),
        ("1e3", "1000.00"),
        ("1e300", "9999999999999999.99"),
        ("9" * 40, "9999999999999999.99"),
        (1e-300, "0.00"),
    ],
)
def test_amounts_have_two_decimals_and_fit_the_database(sent, amount):
    assert str(parsed(open_market(volume=sent)).volume) == amount


@pytest.mark.parametrize("sent", [None, "", "much", "-1", float("inf"), "NaN", True, [], "1_000", "\u0663", 10**1000])
def test_an_amount_that_is_none_is_absent(sent):
    assert parsed(open_market(volume=sent)).volume is None


def test_amounts_fall_back_on_their_numeric_twins():
    market = parsed(open_market("liquidity", volume="?", liquidityNum=3.5, volumeNum=Decimal("4.25")))
    assert (market.liquidity, market.volume) == (Decimal("3.50"), Decimal("4.25"))


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        ("2026-08-22T14:18:27Z", datetime(2026, 8, 22, 14, 18, 27, tzinfo=UTC)),
        ("2026-08-22T14:18:27.1Z", datetime(2026, 8, 22, 14, 18, 27, 100000, tzinfo=UTC)),
        ("2026-08-22T14:18:27.84201Z", datetime(2026, 8, 22, 14, 18, 27, 842010, tzinfo=UTC)),
        ("2026-08-22T14:18:27.842013Z", datetime(2026, 8, 22, 14, 18, 27, 842013, tzinfo=UTC)),
        ("2026-08-22T16:18:27+02:00", datetime(2026, 8, 22, 14, 18, 27, tzinfo=UTC)),
        ("2026-08-22 14:18:27+00", datetime(2026, 8, 22, 14, 18, 27, tzinfo=UTC)),
        ("2026-08-22 14:18:27.5-01", datetime(2026, 8, 22, 15, 18, 27, 500000, tzinfo=UTC)),
    ],
)
def test_both_ways_of_writing_a_time_are_read(sent, moment):
    assert parsed(open_market(endDate=sent)).expires_at == moment
    assert parsed(closed_market(closedTime=sent)).closed_at == moment


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "soon",
        "2026-02-31T00:00:00Z",
        "2026-08-22",
        "2026-08-22T14:18:27",
        "0001-01-01T00:00:00+14:00",
        1e9,
        {},
    ],
)
def test_a_missing_or_broken_end_is_no_end(sent):
    assert parsed(open_market(endDate=sent)).expires_at is None
    assert parsed(open_market("endDate")).expires_at is None
