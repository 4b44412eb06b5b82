"""House markets in the admin: made and changed by forms with checked fields, each for a reason and on record."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from markets.models import Market
from tests.betting.factories import sign_up
from tests.markets.factories import add_market, add_mirrored, add_past, ids, read
from tests.staff.market_pages import MARKETS, buttons, decide, page, state
from tests.staff.pages import records, text_of

pytestmark = pytest.mark.django_db
NEW = f"{MARKETS}new/"
CHANGES = ("edit", "odds")


@pytest.fixture
def mary(member, browser):
    """The browser of a market manager."""
    return browser(member("mary", role="market managers"))


@pytest.fixture
def sue(member, browser):
    """The browser of somebody of the support."""
    return browser(member("sue", role="support"))


def form(**fields):
    """What the form of a new market sends."""
    sent = {
        "title": "Will it snow?",
        "this_option": "Yes",
        "that_option": "No",
        "this_odds": "62.5",
        "pricing": "fixed",
        "expires_at": f"{timezone.now() + timedelta(days=1):%Y-%m-%dT%H:%M}",
        "category": "weather",
        "image_url": "https://img.example/snow.png",
        "description": "By the weather service.",
        "reason": "Winter.",
    }
    return sent | fields


def edited(market, **fields):
    """What the form sends that was filled in with the market's own values."""
    names = ("title", "this_option", "that_option", "category", "image_url", "description")
    sent = {name: getattr(market, name) for name in names} | {"expires_at": "", "reason": "A slip."} | fields
    return sent if sent["expires_at"] else {"open_end": "on", **sent}


def test_a_new_market_is_open_and_in_the_lists_at_once(mary, api):
    response = mary.post(NEW, form())
    assert response["Location"] == MARKETS
    (shown,) = read(api, category="weather")["data"]
    assert (shown["title"], shown["thisOdds"], shown["status"]) == ("Will it snow?", Decimal("0.625"), "open")
    (record,) = records("create_market")
    assert (record.staff.username, record.reason, record.target_id) == ("mary", "Winter.", shown["id"])
    assert sign_up("ann").bet(Market.objects.get(), 100)["oddsAtBet"] == Decimal("0.625")


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "x" * 501},
        {"this_option": " "},
        {"that_option": "yes"},
        {"this_odds": ""},
        {"this_odds": "0"},
        {"this_odds": "100"},
        {"this_odds": "62.505"},
        {"this_odds": "NaN"},
        {"expires_at": "2020-01-01T00:00"},
        {"expires_at": "soon"},
        {"expires_at": ""},
        {"open_end": "on"},
        {"category": "Up and down"},
        {"category": "Weather"},
        {"image_url": "javascript:alert(1)"},
        {"image_url": ""},
        {"reason": " "},
    ],
    ids=str,
)
def test_an_invalid_market_is_refused_with_the_reason(mary, fields):
    before = state()
    response = mary.post(NEW, form(**fields))
    assert response.status_code == 400
    assert b'role="alert"' in response.content
    assert state() == before


def test_users_see_the_end_that_was_chosen(mary, api):
    mary.post(NEW, form(expires_at="2030-06-01T12:30:15"))
    (shown,) = read(api, category="weather")["data"]
    assert shown["expiresAt"] == "2030-06-01T12:30:15.000Z"
    mary.post(decide("edit", Market.objects.get()), edited(Market.objects.get(), expires_at="2030-06-02T00:00"))
    assert read(api, category="weather")["data"][0]["expiresAt"] == "2030-06-02T00:00:00.000Z"


def test_an_open_end_is_asked_for_by_name_and_a_forgotten_end_is_not_one(mary, api):
    asked = mary.post(NEW, form(expires_at=""))
    assert "Say when it ends, or that its end is open." in text_of(asked)
    assert not Market.objects.exists()
    mary.post(NEW, form(expires_at="", open_end="on"))
    (shown,) = read(api, category="weather")["data"]
    assert shown["expiresAt"] is None
    both = mary.post(decide("edit", Market.objects.get()), {**form(), "open_end": "on"})
    assert "Either an end or an open end, not both." in text_of(both)
    assert Market.objects.get().expires_at is None


def test_a_market_that_nobody_bet_on_is_reworded(mary, api):
    market = add_market()
    mary.post(decide("edit", market), edited(market, title="Will the pot boil?", category="kitchen"))
    assert ids(read(api, category="kitchen")) == [str(market.pk)]
    (record,) = records("edit_market")
    assert record.before == {"title": "Will the kettle boil?", "category": "general"}
    assert record.after == {"title": "Will the pot boil?", "category": "kitchen"}


def test_what_somebody_bet_on_is_shown_and_not_changed_by_what_is_sent(mary):
    market = add_market()
    sign_up("ann").bet(market, 100)
    assert "Somebody has bet on it" in text_of(mary.get(decide("edit", market)))
    mary.post(decide("edit", market), edited(market, title="Mine?", this_option="No", category="kitchen"))
    now = Market.objects.get()
    assert (now.title, now.this_option, now.category) == ("Will the kettle boil?", "Yes", "kitchen")
    (record,) = records("edit_market")
    assert record.after == {"category": "kitchen"}


def test_a_form_sent_as_it_was_changes_nothing_and_says_so(mary):
    market = add_market(expires_at=timezone.now() + timedelta(days=1, microseconds=5))
    before = state()
    sent = edited(market, expires_at=f"{market.expires_at:%Y-%m-%dT%H:%M:%S}")
    response = mary.post(decide("edit", market), sent)
    assert response.status_code == 400
    assert "Nothing would change." in text_of(response)
    assert state() == before


def test_the_odds_move_for_bets_from_then_on(mary):
    market, ann = add_market(), sign_up("ann")
    bet = ann.bet(market, 100)
    read_first = text_of(mary.get(decide("odds", market)))
    assert "THIS: Yes 60% THAT: No 40% 100 credits on THIS pay 166.66" in read_first
    assert mary.post(decide("odds", market), {"this_odds": "75", "reason": "News."})["Location"] == page(market)
    assert ann.bet(market, 100)["oddsAtBet"] == Decimal("0.75")
    assert ann.show(bet)["oddsAtBet"] == Decimal("0.6")
    (record,) = records("change_odds")
    assert (record.before, record.after) == ({"this_odds": "0.6000"}, {"this_odds": "0.75"})


@pytest.mark.parametrize("name", CHANGES)
def test_looking_changes_nothing(mary, name):
    market = add_market()
    before = state()
    assert mary.get(decide(name, market)).status_code == 200
    assert mary.get(NEW).status_code == 200
    assert state() == before


@pytest.mark.parametrize("name", CHANGES)
def test_the_support_changes_no_market_and_makes_none(sue, name):
    market = add_market()
    before = state()
    sent = edited(market, title="Mine?", this_odds="75")
    assert sue.get(decide(name, market)).status_code == 403
    assert sue.post(decide(name, market), sent).status_code == 403
    assert sue.get(NEW).status_code == 403
    assert sue.post(NEW, form()).status_code == 403
    assert state() == before
    assert buttons(sue, market) == {"note"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("market", [add_mirrored, lambda: add_past("closed")], ids=["mirrored", "closed"])
def test_only_open_house_markets_are_changed(mary, name, market):
    there = market()
    before = state()
    assert mary.get(decide(name, there)).status_code == 302
    assert mary.post(decide(name, there), edited(there, title="Mine?", this_odds="75")).status_code == 409
    assert state() == before
