"""The admin's pages of events: who sees them, what they show, what they cost, and odds that can't be right."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from markets.models import Market
from tests.markets.factories import add_event, add_outcome
from tests.staff.market_pages import asked, shown
from tests.staff.market_pages import page as market_page
from tests.staff.pages import text_of

pytestmark = pytest.mark.django_db
EVENTS = "/admin/markets/marketevent/"
FAR = "far from 100%"


def page(event) -> str:
    return reverse("admin:markets_marketevent_change", args=[event.pk])


@pytest.fixture
def election():
    """One winner, and odds that leave a third of it to nobody."""
    event = add_event(
        1, title="Who wins the election?", slug="who-wins", category="politics", neg_risk=True, tags=["us"]
    )
    add_outcome(event, 11, "Ada", "0.4")
    add_outcome(event, 12, "Bob", "0.25")
    return event


@pytest.fixture
def dates():
    """Outcomes that don't exclude each other: what their odds add up to means nothing."""
    event = add_event(2, title="Ceasefire by?", slug="ceasefire-by", category="geopolitics")
    for number, label in enumerate(["June", "July", "August"], start=21):
        add_outcome(event, number, label, "0.9")
    return event


def test_the_list_shows_events_and_what_their_odds_add_up_to(desk, election, dates):
    assert shown(desk, EVENTS) == {"Who wins the election?", "Ceasefire by?"}
    read = text_of(desk.get(EVENTS))
    assert f"Who wins the election? politics, one outcome wins 2 2 65% {FAR}" in read
    assert "Ceasefire by? geopolitics, independent outcomes 3 3 \N{EN DASH}" in read


@pytest.mark.parametrize(
    ("odds", "far"),
    [(["0.6", "0.45"], False), (["0.5", "0.4"], False), (["0.5", "0.6001"], True), (["0.5", "0.3999"], True)],
)
def test_odds_are_far_from_one_beyond_the_tolerance_either_way(desk, odds, far):
    event = add_event(neg_risk=True)
    for number, each in enumerate(odds):
        add_outcome(event, number, f"Candidate {number}", each)
    assert (FAR in text_of(desk.get(EVENTS))) is far
    assert (FAR in text_of(desk.get(page(event)))) is far
    assert shown(desk, EVENTS, odds="far") == ({event.title} if far else set())


def test_what_is_decided_counts_as_certain_and_what_is_over_is_no_matter(desk, election):
    decided = {"status": "resolved", "resolved_at": datetime.now(UTC)}
    Market.objects.filter(group_title="Ada").update(resolution="this", this_odds=Decimal("0.6"), **decided)
    assert "125%" in text_of(desk.get(EVENTS))
    assert shown(desk, EVENTS, odds="far") == {election.title}
    Market.objects.filter(group_title="Bob").update(resolution="that", **decided)
    assert "100%" in text_of(desk.get(EVENTS))
    Market.objects.update(resolution="that")
    assert FAR not in text_of(desk.get(EVENTS))
    assert shown(desk, EVENTS, odds="far") == set()


def test_a_suspended_market_is_an_outcome_all_the_same(desk, election):
    add_outcome(election, 13, "Eve", "0.35", suspended_reason="Gone.")
    assert FAR not in text_of(desk.get(page(election)))
    assert "3, 3 of them open" in text_of(desk.get(page(election)))


def test_a_page_shows_the_event_and_its_markets_most_likely_first(desk, election):
    add_outcome(election, 13, "Other", "0.3", is_placeholder=True)
    read = text_of(desk.get(page(election)))
    for fact in ("One of them wins", "95%", "3, 3 of them open", "Politics", "us", "who-wins", str(election.pk)):
        assert fact in read
    places = [read.index(label) for label in ("Will it be Ada?", "Will it be Bob?", "Other, placeholder")]
    assert places == sorted(places)


def test_a_page_warns_of_odds_that_cannot_be_right(desk, election, dates):
    assert "the odds of THIS add up to 65%" in text_of(desk.get(page(election)))
    assert "add up to" not in text_of(desk.get(page(dates)))


def test_a_market_leads_to_its_event_and_back(desk, election):
    market = election.markets.get(group_title="Ada")
    assert page(election) in desk.get(market_page(market)).content.decode()
    assert market_page(market) in desk.get(page(election)).content.decode()


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("election", True),
        ("bob", True),
        ("who-wins", True),
        ("https://polymarket.com/event/who-wins/will-ada-win?tid=1", True),
        ("https://polymarket.com/event/who-wins", True),
        ("1", True),
        ("unicorn", False),
        ("'; DROP TABLE market_events --", False),
        ("!!!", False),
    ],
)
def test_an_event_is_found_by_words_ids_and_addresses(desk, election, dates, term, found):
    assert shown(desk, EVENTS, q=term) == ({election.title} if found else set())


def test_an_event_is_found_by_our_id(desk, election, dates):
    assert shown(desk, EVENTS, q=str(dates.pk)) == {dates.title}


def test_the_list_is_narrowed_by_category_and_kind(desk, election, dates):
    assert shown(desk, EVENTS, odds="one") == {election.title}
    assert shown(desk, EVENTS, category="politics") == {election.title}
    assert shown(desk, EVENTS, category="sports") == set()


def test_pages_take_as_many_statements_whatever_there_is_to_show(desk, election):
    before = {address: len(asked(desk, address)) for address in (EVENTS, page(election), f"{EVENTS}?odds=far")}
    for number in range(30):
        event = add_event(100 + number, title=f"Number {number}", neg_risk=True)
        for place in range(3):
            add_outcome(event, 1_000 + number * 10 + place, f"Candidate {place}")
            add_outcome(election, 5_000 + number * 10 + place, f"Candidate {number} {place}")
    assert {address: len(asked(desk, address)) for address in before} == before


@pytest.mark.parametrize("number", [uuid4(), "1", "x"])
def test_an_event_that_is_not_there_is_not_found(desk, number):
    assert desk.get(f"{EVENTS}{number}/change/").status_code == 404


def test_only_staff_who_may_see_markets_see_events(client, member, browser, election):
    for address in (EVENTS, page(election)):
        assert client.get(address).status_code == 302
        assert browser(member("nobody" + str(len(address)))).get(address).status_code == 403
        manager = member("manager" + str(len(address)), role="market managers")
        assert browser(manager).get(address).status_code == 200


def test_nothing_can_be_changed(desk, election):
    before = list(type(election).objects.values())
    for address in (page(election), f"{EVENTS}add/", f"{EVENTS}{election.pk}/delete/"):
        assert desk.post(address, {"title": "Mine"}).status_code in (403, 404)
    assert list(type(election).objects.values()) == before
