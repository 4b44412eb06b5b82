"""What the database itself refuses, by the constraint's name."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL

from core.models import JobRun
from markets import prices
from markets.models import Market, MarketRanking, MarketTally
from tests.markets.factories import add_market, add_mirrored, add_past, publish

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NAN = RawSQL("'NaN'::numeric", ())


def refused(constraint: str, write) -> None:
    with pytest.raises(IntegrityError, match=rf'constraint "{constraint}"'), transaction.atomic():
        write()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("markets_this_odds_in_range", {"this_odds": Decimal("1.0001")}),
        ("markets_this_odds_in_range", {"this_odds": Decimal("-0.0001")}),
        ("markets_that_odds_in_range", {"that_odds": Decimal("1.0001")}),
        ("markets_that_odds_in_range", {"that_odds": Decimal("-0.0001")}),
        ("markets_house_prices_not_stored", {"bid": Decimal("0.5")}),
        ("markets_house_prices_not_stored", {"ask": Decimal("0.5")}),
        ("markets_figures_not_negative", {"volume": Decimal("-0.01")}),
        ("markets_figures_not_negative", {"volume_24hr": Decimal("-0.01")}),
        ("markets_figures_not_negative", {"liquidity": Decimal("-0.01")}),
        ("markets_hold_numbers", {"volume": NAN}),
        ("markets_hold_numbers", {"liquidity": NAN}),
        ("markets_open_with_image", {"image_url": ""}),
        ("markets_open_with_image", {"image_url": "javascript:alert(1)"}),
        ("markets_category_lower_case", {"category": "Sports"}),
        ("markets_category_lower_case", {"category": ""}),
        ("markets_category_lower_case", {"category": "pop culture"}),
    ],
)
def test_a_market_within_bounds_alone_is_kept(constraint, fields):
    refused(constraint, lambda: add_market(**fields))
    market = add_market()
    refused(constraint, lambda: Market.objects.filter(pk=market.pk).update(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "open", "resolution": "this", "resolved_at": MOMENT},
        {"status": "open", "resolved_at": MOMENT},
        {"status": "closed", "resolution": "this"},
        {"status": "closed", "resolved_at": MOMENT},
        {"status": "resolved"},
        {"status": "resolved", "resolution": "this"},
        {"status": "resolved", "resolved_at": MOMENT},
        {"status": "resolved", "resolution": "neither", "resolved_at": MOMENT},
        {"status": "cancelled"},
        {"status": "cancelled", "resolution": "this", "resolved_at": MOMENT},
        {"status": "cancelled", "resolution": "invalid"},
        {"status": "cancelled", "resolved_at": MOMENT},
        {"status": "paused"},
        {"status": "OPEN"},
    ],
)
def test_status_and_resolution_agree(fields):
    refused("markets_status_and_resolution", lambda: add_market(**fields))


@pytest.mark.parametrize("resolution", ["this", "that", "invalid"])
def test_a_market_resolves_to_one_of_three(resolution):
    assert add_past("resolved", resolution=resolution).pk


@pytest.mark.parametrize(
    "fields",
    [
        {"polymarket_id": None},
        {"polymarket_id": ""},
        {"this_token_id": ""},
        {"that_token_id": ""},
        {"market_type": "credits"},
        {"market_type": "other"},
    ],
)
def test_a_market_is_polymarkets_with_all_its_ids_or_the_houses_with_none(fields):
    refused("markets_type_and_upstream", lambda: add_mirrored(bid=None, ask=None, **fields))


@pytest.mark.parametrize(
    ("constraint", "bid", "ask"),
    [
        ("markets_bid_in_range", "-0.0001", None),
        ("markets_bid_in_range", "1.0001", None),
        ("markets_ask_in_range", None, "-0.0001"),
        ("markets_ask_in_range", None, "1.0001"),
        ("markets_bid_below_ask", "0.5", "0.5"),
        ("markets_bid_below_ask", "0.5", "0.4"),
    ],
)
def test_bid_and_ask_are_odds_and_the_bid_is_lower(constraint, bid, ask):
    given = {"bid": bid and Decimal(bid), "ask": ask and Decimal(ask)}
    refused(constraint, lambda: add_mirrored(**given))
    market = add_mirrored()
    refused(constraint, lambda: Market.objects.filter(pk=market.pk).update(**given))


def test_a_condition_id_is_one_market():
    add_mirrored(1)
    refused("markets_polymarket_id_unique", lambda: add_mirrored(1))
    assert add_market().polymarket_id is None
    assert add_market().polymarket_id is None


def test_a_market_that_is_over_may_be_without_an_image():
    assert add_past("closed", image_url="").pk


def test_a_status_and_category_have_one_tally():
    add_market(category="weather")
    refused("market_tallies_unique", lambda: MarketTally.objects.create(status="open", category="weather", markets=1))


def test_a_place_in_an_edition_is_one_markets():
    first, _ = add_market(), add_market()
    publish()
    place = MarketRanking.objects.filter(market_id=first.pk, sort="trending").get()
    again = {
        "edition": place.edition, "sort": place.sort, "category": place.category, "market_id": first.pk,
    }  # fmt: skip
    refused(
        "market_rankings_category_unique",
        lambda: MarketRanking.objects.create(position=99, category_position=place.category_position, **again),
    )
    refused(
        "market_rankings_pkey",
        lambda: MarketRanking.objects.create(position=place.position, category_position=99, **again),
    )


def test_a_watch_is_of_a_market_that_exists():
    def watch_nothing():
        prices.watch_markets(["01980000-0000-7000-8000-000000000000"], until=MOMENT)
        connection.check_constraints()

    with pytest.raises(IntegrityError, match="market_watches_market_id"), transaction.atomic():
        watch_nothing()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("job_runs_finished_unless_running", {"status": "running", "finished_at": MOMENT}),
        ("job_runs_finished_unless_running", {"status": "succeeded"}),
        ("job_runs_known_status", {"status": "lost", "finished_at": MOMENT}),
    ],
)
def test_a_run_is_finished_or_running(constraint, fields):
    refused(constraint, lambda: JobRun.objects.create(job="markets.ingest", started_at=MOMENT, **fields))


def test_every_constraint_of_markets_has_a_test():
    tested = {
        "markets_this_odds_in_range", "markets_that_odds_in_range", "markets_figures_not_negative",
        "markets_open_with_image", "markets_category_lower_case", "markets_status_and_resolution",
        "markets_type_and_upstream", "markets_polymarket_id_unique", "markets_bid_in_range", "markets_ask_in_range",
        "markets_bid_below_ask", "markets_house_prices_not_stored", "markets_hold_numbers", "markets_lmsr_in_house",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'markets'::regclass AND contype IN ('c', 'u')"
        )
        assert {name for (name,) in cursor.fetchall()} == tested
