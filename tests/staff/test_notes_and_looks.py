"""Staff write notes on users and markets, and whoever looks at a user's page is on record."""

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffAction
from markets.models import MarketResolution
from tests.economy.factories import make_user
from tests.markets.factories import add_event, add_market, add_outcome
from tests.staff.pages import act, page, records, text_of

pytestmark = pytest.mark.django_db
RECORDS = "/admin/accounts/staffaction/"


@pytest.fixture
def ann(db):
    return make_user("ann")


def market_page(market) -> str:
    return reverse("admin:markets_market_change", args=[market.pk])


def test_support_notes_something_on_a_user_and_all_who_see_the_page_read_it(member, browser, desk, ann):
    sue = browser(member("sue", role="support"))
    assert act("note", ann) in sue.get(page(ann)).content.decode()
    assert sue.post(act("note", ann), {"reason": "Called twice <b>today</b>."}).status_code == 302
    assert "Notes When, UTC Who Note" in text_of(desk.get(page(ann)))
    assert "sue Called twice <b>today</b>." in text_of(desk.get(page(ann)))
    assert [record.target_id for record in records("write_note")] == [str(ann.pk)]


@pytest.mark.parametrize("text", ["", "  ", "x" * 501])
def test_a_note_has_a_text(desk, ann, text):
    assert desk.post(act("note", ann), {"reason": text}).status_code == 400
    assert records("write_note") == []


def test_a_note_on_a_market(member, browser):
    market = add_market()
    note = reverse("admin:markets_market_decide", args=[market.pk, "note"])
    support = browser(member("sue", role="support"))
    assert support.post(note, {"reason": "Its source is away."}).status_code == 302
    assert "Its source is away." in text_of(support.get(market_page(market)))


def test_auditors_write_none(member, browser, ann):
    auditor = browser(member("aud", role="auditors"))
    assert act("note", ann) not in auditor.get(page(ann)).content.decode()
    assert auditor.post(act("note", ann), {"reason": "x"}).status_code == 403


def test_who_looks_at_a_user_is_on_record_once_an_hour(member, browser, ann):
    sue = member("sue", role="support")
    for _ in range(3):
        browser(sue).get(page(ann))
    (record,) = records("view_user")
    assert (record.staff, record.target_id) == (sue, str(ann.pk))
    cache.clear()
    browser(sue).get(page(ann))
    assert len(records("view_user")) == 2


def test_looks_are_listed_apart(desk, ann):
    desk.get(page(ann))
    assert "View user" not in text_of(desk.get(RECORDS))
    assert "boss View user User ann" in text_of(desk.get(RECORDS + "?looks=only"))
    assert "View user" not in text_of(desk.get(page(ann)))


def test_who_may_not_see_users_leaves_no_look(member, browser, ann):
    assert browser(member("max", role="market managers")).get(page(ann)).status_code == 403
    assert not StaffAction.objects.filter(action="view_user").exists()


def test_a_markets_page_leads_to_polymarkets(desk):
    market = add_outcome(add_event(slug="romania"), 1, "Călin", slug='a-"slug"')
    assert 'href="https://polymarket.com/event/romania/a-%22slug%22"' in desk.get(market_page(market)).content.decode()
    assert "polymarket.com" not in desk.get(market_page(add_market())).content.decode()


def test_a_markets_page_says_what_each_source_said_when(desk):
    market = add_outcome(add_event(), 1, "Călin")
    gamma = {"closed": True, "umaResolutionStatus": "resolved", "outcomePrices": '["1", "0"]'}
    tokens = [{"outcome": "Yes", "winner": False}, {"outcome": "No", "winner": True}, 7]
    for facts in ({}, {"gamma": gamma, "clob": {"closed": True, "tokens": tokens}}, {"gamma": None, "clob": [1]}):
        MarketResolution.objects.create(
            market=market, decision="disagreement", source="polymarket", reason="x", seen_at=timezone.now(), facts=facts
        )
    read = text_of(desk.get(market_page(market)))
    assert 'closed, resolved, ["1", "0"] closed, winner: No' in read
