"""Staff and users at once: a question isn't reworded while somebody is betting on it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event

import pytest
from django.db import transaction

from betting.orders import Order, get_market_snapshot
from betting.pricing import price_order
from betting.services import place_bet
from markets.models import Market
from tests.betting.factories import sign_up
from tests.concurrently import in_thread, wait_until
from tests.markets.factories import add_market
from tests.markets.resolution.test_at_once import someone_waits_for_a_lock
from tests.staff.market_pages import decide
from tests.staff.pages import records, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def clock():
    return datetime.now(UTC)


def test_a_rewording_waits_for_the_bet_that_is_being_placed_and_is_refused(member, browser):
    market, ann = add_market(), sign_up("ann")
    mary = browser(member("mary", role="market managers"))
    order = Order(market=str(market.pk), side="this", amount=Decimal(100), min_odds=None, max_odds=None)
    snapshot = get_market_snapshot(order.market)
    priced = price_order(order=order, market=snapshot, now=clock(), before_upstream=lambda: None)
    placed, may_commit = Event(), Event()

    def bet() -> None:
        with transaction.atomic():
            place_bet(priced=priced, user_id=ann.id, clock=clock)
            placed.set()
            may_commit.wait(10)

    names = ("this_option", "that_option", "category", "image_url")
    sent = {name: getattr(market, name) for name in names} | {"title": "Will it rain?", "reason": "A slip."}
    sent["open_end"] = "on"
    with ThreadPoolExecutor(2) as pool:
        betting = pool.submit(in_thread, bet)
        placed.wait(10)
        rewording = pool.submit(in_thread, lambda: mary.post(decide("edit", market), sent))
        wait_until(someone_waits_for_a_lock)
        may_commit.set()
        betting.result(10)
        response = rewording.result(10)
    assert response.status_code == 409
    assert "Somebody has bet on it" in text_of(response)
    assert Market.objects.get().title == "Will the kettle boil?"
    assert records("edit_market") == []
