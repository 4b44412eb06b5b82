"""What staff make and change of house markets, and what is kept of it; what users bet on stays once they did."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.errors import NotAllowed, NothingChanged, ReasonMissing
from accounts.models import User
from accounts.staff import StaffMember
from markets import house
from markets.errors import (
    InvalidHouseMarket,
    MarketAlreadyAsked,
    MarketNotFound,
    MarketStatusConflict,
    MarketTermsFixed,
    NotAHouseMarket,
)
from markets.models import Market, MarketTerms
from tests.concurrently import all_at_once
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market, add_mirrored, add_past, ids, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> StaffMember:
    return StaffMember(User.objects.create_superuser(email="grace@example.com", username="grace"), "192.0.2.7")


def edit(market, staff, now, *, reason="A slip.", **changes) -> Market:
    return house.edit_house_market(market_id=market.pk, changes=changes, by=staff, reason=reason, now=now)


def bet_on(**fields) -> Market:
    """A house market that somebody has bet on, as the first bet's trigger notes it."""
    market = add_market(**fields)
    MarketTerms.objects.create(market=market)
    return market


def move(market, staff, now, this_odds="0.7500", reason="The water is warm.") -> Market:
    return house.change_odds(market_id=market.pk, this_odds=Decimal(this_odds), by=staff, reason=reason, now=now)


def fields(market) -> dict:
    return Market.objects.filter(pk=market.pk).values().get()


def make(title, staff, now) -> Market:
    words = {"title": title, "this_option": "Yes", "that_option": "No"}
    question = house.Question(**words, image_url="https://img.example/a", expires_at=None)
    return house.create_house_market(question, this_odds=Decimal("0.25"), by=staff, reason=" Users want it. ", now=now)


def test_what_was_made_is_kept_with_who_made_it(staff, now):
    market = make("Will it rain?", staff, now)
    row = staff_actions().get()
    assert (row.action, row.staff, row.ip, row.reason) == ("create_market", staff.user, "192.0.2.7", "Users want it.")
    assert (row.target_type, row.target_id, row.before) == ("markets.market", str(market.pk), {})
    assert (row.after["title"], row.after["this_odds"]) == ("Will it rain?", "0.25")


def test_an_edit_keeps_what_changed_before_and_after(api, staff, now):
    market = add_market()
    edit(market, staff, now, title="Will the pot boil?", that_option="No", category="kitchen")
    (shown,) = read(api, category="kitchen")["data"]
    assert (shown["title"], shown["slug"]) == ("Will the pot boil?", market.slug)
    row = staff_actions().get()
    assert (row.action, row.reason) == ("edit_market", "A slip.")
    assert row.before == {"title": "Will the kettle boil?", "category": "general"}
    assert row.after == {"title": "Will the pot boil?", "category": "kitchen"}


@pytest.mark.parametrize(
    "changes", [{"title": "Another?"}, {"this_option": "Perhaps"}, {"that_option": "Never"}, {"description": "Rules."}]
)
def test_what_somebody_bet_on_is_not_reworded(staff, now, changes):
    market = bet_on()
    before = fields(market)
    with pytest.raises(MarketTermsFixed):
        edit(market, staff, now, category="kitchen", **changes)
    assert fields(market) == before
    assert staff_actions().count() == 0


def test_the_picture_the_category_and_the_end_may_change_with_bets_on_it(api, staff, now):
    market = bet_on()
    later = now + timedelta(days=3)
    changes = {"image_url": "https://img.example/pot.png", "category": "kitchen", "expires_at": later}
    edit(market, staff, now, **changes)
    assert fields(market).items() >= changes.items()
    assert ids(read(api, category="kitchen")) == [str(market.pk)]


@pytest.mark.parametrize("changes", [{"title": " "}, {"image_url": "no"}, {"category": "Up & down"}])
def test_a_wrong_edit_changes_nothing(staff, now, changes):
    market = add_market()
    before = fields(market)
    with pytest.raises(InvalidHouseMarket):
        edit(market, staff, now, **changes)
    assert fields(market) == before


def test_an_edit_of_nothing_is_no_edit(staff, now):
    market = add_market()
    with pytest.raises(NothingChanged):
        edit(market, staff, now, title=market.title)
    with pytest.raises(NothingChanged):
        move(market, staff, now, "0.6000")
    assert staff_actions().count() == 0


def test_changed_odds_are_kept_and_both_sides_add_up(api, staff, now):
    market = add_market()
    move(market, staff, now, "0.7500")
    shown = read(api, f"/{market.pk}")["data"]
    assert (shown["thisOdds"], shown["thatOdds"]) == (Decimal("0.7500"), Decimal("0.2500"))
    assert fields(market)["odds_updated_at"] == now
    row = staff_actions().get()
    assert (row.action, row.reason) == ("change_odds", "The water is warm.")
    assert (row.before, row.after) == ({"this_odds": "0.6000"}, {"this_odds": "0.7500"})


@pytest.mark.parametrize("odds", ["0", "1", "-0.5", "0.12345", "NaN"])
def test_odds_that_cannot_be_bet_at_are_refused(staff, now, odds):
    market = add_market()
    with pytest.raises(InvalidHouseMarket):
        move(market, staff, now, odds)
    assert fields(market)["this_odds"] == Decimal("0.6000")


def test_an_open_house_market_is_not_made_again(staff, now):
    first, second = add_market(), add_market(title="Another?")
    with pytest.raises(MarketAlreadyAsked):
        make(first.title, staff, now)
    with pytest.raises(MarketAlreadyAsked):
        edit(second, staff, now, title=first.title)
    Market.objects.filter(pk=first.pk).update(status="closed")
    make(first.title, staff, now)


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_five_times_at_once_makes_one(staff, now):
    def once() -> bool:
        try:
            make("Will it rain?", staff, now)
        except MarketAlreadyAsked:
            return False
        return True

    assert sorted(all_at_once(once, times=5)) == [False] * 4 + [True]
    assert Market.objects.count() == staff_actions().count() == 1


CHANGES = {"edit": lambda *given: edit(*given, category="kitchen"), "odds": move}


@pytest.mark.parametrize("name", CHANGES)
def test_polymarkets_markets_are_not_changed_here(staff, now, name):
    with pytest.raises(NotAHouseMarket):
        CHANGES[name](add_mirrored(), staff, now)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("status", ["closed", "resolved", "cancelled"])
def test_a_market_that_takes_no_bets_is_not_changed(staff, now, name, status):
    with pytest.raises(MarketStatusConflict, match=status):
        CHANGES[name](add_past(status), staff, now)


@pytest.mark.parametrize("name", CHANGES)
def test_a_market_that_is_not_there_is_not_changed(staff, now, name):
    with pytest.raises(MarketNotFound):
        CHANGES[name](Market(), staff, now)


@pytest.mark.parametrize("name", CHANGES)
def test_staff_without_the_permission_change_nothing(now, name):
    market = add_market()
    before = fields(market)
    nobody = StaffMember(User.objects.create_user(email="new@example.com", username="new", is_staff=True))
    with pytest.raises(NotAllowed):
        CHANGES[name](market, nobody, now)
    assert fields(market) == before


@pytest.mark.parametrize("name", CHANGES)
def test_without_a_reason_nothing_changes(staff, now, name):
    market = add_market()
    calls = {"edit": lambda: edit(market, staff, now, reason=" ", category="kitchen")}
    calls["odds"] = lambda: move(market, staff, now, reason=" ")
    with pytest.raises(ReasonMissing):
        calls[name]()
    assert staff_actions().count() == 0
