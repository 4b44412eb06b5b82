"""House markets that price themselves, in the admin: opened with their consequences shown, deepened, paused."""

from decimal import Decimal

import pytest

from betting.models import MarketMaker
from economy.models import HouseEntry
from markets.models import Market
from tests.betting.factories import add_lmsr, assert_audit_passes, sign_up
from tests.markets.factories import add_market, add_mirrored, add_past, read
from tests.staff.market_pages import MARKETS, buttons, decide, page, state
from tests.staff.pages import records, text_of
from tests.staff.test_markets_house import NEW, form

pytestmark = pytest.mark.django_db


@pytest.fixture
def mary(member, browser):
    """The browser of a market manager."""
    return browser(member("mary", role="market managers"))


@pytest.fixture
def sue(member, browser):
    """The browser of somebody of the support."""
    return browser(member("sue", role="support"))


def priced(**fields):
    """What the form of a new market sends that is to price itself."""
    return form(**{"pricing": "lmsr", "this_odds": "25", "subsidy": "1000", **fields})


def test_what_bets_would_move_is_shown_before_a_market_opens(mary):
    before = state()
    shown = text_of(mary.post(NEW, priced()))
    assert "A bet of 100 on THIS moves it from 25% to 34.71%" in shown
    assert "A bet of 1,000 on THIS moves it from 25% to 81.25%" in shown
    assert "The house loses at most 1,000.00." in shown
    assert state() == before


def test_it_opens_once_that_was_seen(mary, api):
    assert mary.post(NEW, priced(seen="0.25 1000"))["Location"] == MARKETS
    (shown,) = read(api, category="weather")["data"]
    assert (shown["pricing"], shown["thisOdds"], shown["spread"]) == ("lmsr", Decimal("0.25"), 0)
    market = Market.objects.get()
    assert MarketMaker.objects.get(pk=market.pk).b == Decimal("721.34752044")
    assert HouseEntry.objects.get(reference_id=market.pk).amount == 1000
    (record,) = records("create_market")
    assert record.after["subsidy"] == "1000"
    assert_audit_passes()


def test_what_was_seen_of_other_numbers_opens_nothing(mary):
    before = state()
    assert mary.post(NEW, priced(seen="0.25 500")).status_code == 400
    assert state() == before


def test_a_new_market_prices_itself_by_default(mary):
    response = mary.get(NEW)
    assert '<option value="lmsr" selected' in response.content.decode()
    assert "beginning at 50%" in text_of(response)


@pytest.mark.parametrize(
    "fields",
    [
        {"subsidy": ""},
        {"subsidy": "99.99"},
        {"subsidy": "1000000.01"},
        {"subsidy": "NaN"},
        {"subsidy": "1000.001"},
        {"this_odds": "0.99"},
        {"this_odds": "99.01"},
        {"pricing": ""},
        {"pricing": "mirror"},
    ],
    ids=str,
)
def test_an_impossible_market_is_refused(mary, fields):
    before = state()
    response = mary.post(NEW, priced(seen="0.25 1000", **fields))
    assert response.status_code == 400
    assert b'role="alert"' in response.content
    assert state() == before


def test_liquidity_is_added_and_on_record(mary):
    market = add_lmsr()
    asked = text_of(mary.get(decide("liquidity", market)))
    assert "A bet of 100 on THIS moves it from 50% to 53.35%" in asked
    sent = mary.post(decide("liquidity", market), {"amount": "500", "reason": "Many bet."})
    assert sent["Location"] == page(market)
    assert MarketMaker.objects.get(pk=market.pk).subsidy == 1500
    (record,) = records("add_liquidity")
    assert (record.before, record.after) == ({"subsidy": "1000.00"}, {"subsidy": "1500.00"})
    assert_audit_passes()


@pytest.mark.parametrize("amount", ["", "0", "-5", "1000000", "NaN", "0.001"])
def test_an_impossible_amount_is_refused(mary, amount):
    market = add_lmsr()
    before = state()
    assert mary.post(decide("liquidity", market), {"amount": amount, "reason": "So."}).status_code == 400
    assert state() == before


@pytest.mark.parametrize("add", [add_lmsr, add_market], ids=["lmsr", "fixed"])
def test_a_market_is_paused_and_resumed(mary, add):
    market = add()
    assert {"pause", "resume"} & buttons(mary, market) == {"pause"}
    mary.post(decide("pause", market), {"reason": "A leak."})
    assert {"pause", "resume"} & buttons(mary, market) == {"resume"}
    assert "No: paused" in text_of(mary.get(page(market)))
    again = mary.post(decide("pause", market), {"reason": "A leak."})
    assert "Nothing would change." in text_of(again)
    mary.post(decide("resume", market), {"reason": "All known."})
    assert len([*records("pause_market"), *records("resume_market")]) == 2
    sign_up("ann").bet(market, 10)


def test_its_page_shows_the_maker_and_the_price_curve(mary):
    market = add_lmsr()
    sign_up("ann").bet(market, 100)
    shown = text_of(mary.get(page(market)))
    assert "House market, prices itself" in shown
    assert "Subsidy: the house loses at most 1,000.00" in shown
    assert "Shares of THIS 193.51" in shown
    assert "Back to the house if THIS wins 906.49" in shown
    assert "What a bet would move the odds of THIS to" in shown
    assert "odds" not in buttons(mary, market)
    assert "liquidity" in buttons(mary, market)


@pytest.mark.parametrize("name", ["liquidity", "pause", "resume"])
@pytest.mark.parametrize("market", [add_mirrored, lambda: add_past("closed")], ids=["mirrored", "closed"])
def test_only_open_house_markets_are_changed(mary, name, market):
    there = market()
    before = state()
    assert mary.get(decide(name, there)).status_code == 302
    assert mary.post(decide(name, there), {"amount": "5", "reason": "So."}).status_code == 409
    assert state() == before


def test_fixed_odds_have_no_liquidity_and_moving_odds_are_not_set(mary):
    fixed, moving = add_market(), add_lmsr()
    before = state()
    assert mary.post(decide("liquidity", fixed), {"amount": "5", "reason": "So."}).status_code == 409
    assert mary.post(decide("odds", moving), {"this_odds": "75", "reason": "So."}).status_code == 409
    assert state() == before


@pytest.mark.parametrize("name", ["liquidity", "pause", "resume"])
def test_the_support_changes_nothing(sue, name):
    market = add_lmsr()
    before = state()
    assert sue.get(decide(name, market)).status_code == 403
    assert sue.post(decide(name, market), {"amount": "5", "reason": "So."}).status_code == 403
    assert state() == before
