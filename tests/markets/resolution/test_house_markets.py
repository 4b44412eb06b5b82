"""House markets: made by staff, open at once, closed at their end and not before, resolved by staff alone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from accounts.staff import COMMAND_LINE
from markets import house
from markets.errors import InvalidHouseMarket, UpstreamError
from markets.models import Market
from markets.resolution import staff as staff_decisions
from tests.markets.factories import add_market, add_mirrored, ids, read
from tests.markets.resolution.factories import decisions, last, resolve, state

pytestmark = pytest.mark.django_db


def question(now, **fields) -> house.Question:
    given = {
        "title": "Will the kettle boil?",
        "this_option": "Yes",
        "that_option": "No",
        "image_url": "https://img.example/kettle.png",
        "expires_at": now + timedelta(hours=1),
    }
    return house.Question(**(given | fields))


def create(now, this_odds="0.6500", **fields) -> Market:
    given = question(now, **fields)
    said = {"by": COMMAND_LINE, "reason": "For the tea party.", "now": now}
    return house.create_house_market(given, this_odds=Decimal(this_odds), **said)


def test_a_new_one_is_in_the_open_list_at_once(api, now):
    market = create(now, category="kitchen")
    (shown,) = read(api)["data"]
    assert (shown["id"], shown["marketType"], shown["polymarketId"]) == (str(market.pk), "credits", None)
    assert (shown["thisOdds"], shown["thatOdds"]) == (Decimal("0.6500"), Decimal("0.3500"))
    assert (shown["category"], shown["slug"]) == ("kitchen", "will-the-kettle-boil")


@pytest.mark.parametrize(
    "fields",
    [
        {"this_odds": "0"},
        {"this_odds": "1"},
        {"this_odds": "1.2"},
        {"this_odds": "0.12345"},
        {"title": " "},
        {"title": "x" * 501},
        {"this_option": ""},
        {"that_option": ""},
        {"that_option": "yes "},
        {"image_url": ""},
        {"image_url": "javascript:alert(1)"},
        {"category": ""},
        {"category": "Kitchen sink"},
    ],
)
def test_what_cannot_be_bet_on_is_refused(now, fields):
    with pytest.raises(InvalidHouseMarket):
        create(now, **fields)
    assert Market.objects.count() == 0


def test_an_end_in_the_past_is_refused(now):
    with pytest.raises(InvalidHouseMarket):
        create(now, expires_at=now)


def test_without_a_picture_the_database_refuses():
    with pytest.raises(IntegrityError, match="markets_open_with_image"):
        add_market(image_url="")


def test_it_closes_at_its_end_and_not_a_moment_before(upstream, api, now):
    market = create(now)
    end = now + timedelta(hours=1)
    assert resolve(upstream, now=end - timedelta(microseconds=1))["houseClosed"] == 0
    assert state(market) == ("open", None)
    assert resolve(upstream, now=end)["houseClosed"] == 1
    assert state(market) == ("closed", None)
    row = last(market)
    assert (row.decision, row.source, row.seen_at) == ("closed", "clock", end)
    assert ids(read(api)) == []
    for _ in range(2):
        resolve(upstream, now=end + timedelta(minutes=1))
    assert decisions(market) == ["closed"]
    assert state(market) == ("closed", None)


def test_staff_resolve_it(upstream, now):
    market = create(now)
    resolve(upstream, now=now + timedelta(hours=2))
    staff_decisions.resolve_market(market_id=market.pk, outcome="that", reason="It was cold.", by=COMMAND_LINE, now=now)
    assert state(market) == ("resolved", "that")
    assert decisions(market) == ["closed", "that"]


def test_one_without_an_end_stays_open_and_no_request_is_sent_about_any(upstream, now):
    endless, ended = add_market(), add_market(expires_at=now - timedelta(days=1))
    resolve(upstream, now=now)
    assert (state(endless), state(ended)) == (("open", None), ("closed", None))
    assert len(upstream.requests) == 0


def test_they_close_while_polymarket_is_away(upstream, now):
    market = add_market(expires_at=now - timedelta(days=1))
    mirrored = add_mirrored(expires_at=now - timedelta(days=1))
    upstream.faults.set("status", status=400)
    with pytest.raises(UpstreamError):
        resolve(upstream, now=now)
    assert (state(market), state(mirrored)) == (("closed", None), ("open", None))


def test_closing_many_takes_as_many_statements_as_closing_one(now):
    counts = []
    for number in (1, 30):
        for _ in range(number):
            add_market(expires_at=now - timedelta(days=1))
        with CaptureQueriesContext(connection) as captured:
            assert house.close_expired(now=now) == number
        counts.append(len(captured))
    assert counts[0] == counts[1]
