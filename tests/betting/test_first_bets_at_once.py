"""First bets on a market, all at once: none waits for another, and the terms are fixed for whoever comes next."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from threading import Event

import pytest
from django.db import IntegrityError, transaction

from betting.models import Bet
from betting.orders import get_market_snapshot, validate_order
from betting.pricing import price_order
from betting.services import place_bet
from markets.models import Market, MarketTerms
from tests.betting.factories import assert_audit_passes, order, sign_up
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.markets.factories import add_market, ingest
from tests.markets.resolution.test_at_once import someone_waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def clock() -> datetime:
    return datetime.now(UTC)


def priced(market: Market):
    wanted, snapshot = validate_order(order(market, 10)), get_market_snapshot(str(market.pk))
    return price_order(order=wanted, market=snapshot, now=clock(), before_upstream=lambda: None)


@pytest.mark.parametrize("turn", range(3))
def test_first_bets_at_once_are_all_taken(turn):
    market, players, numbers = add_market(), [sign_up(f"user{number}") for number in range(8)], count()
    responses = all_at_once(lambda: players[next(numbers)].post("", order(market, 10)), 8)
    assert [response.status_code for response in responses] == [201] * 8
    assert Bet.objects.count() == 8
    assert set(MarketTerms.objects.values_list("market_id", flat=True)) == {market.pk}
    with pytest.raises(IntegrityError):
        Market.objects.update(this_option="Perhaps")
    assert_audit_passes()


def test_two_first_bets_whose_transactions_overlap_wait_for_each_other_in_no_order():
    market, ann, bob = add_market(), sign_up("ann"), sign_up("bob")
    with transaction.atomic():
        place_bet(priced=priced(market), user_id=ann.id, clock=clock)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(in_thread, lambda: bob.post("", order(market, 10)))
            assert other.result(5).status_code == 201
    assert Bet.objects.count() == 2
    with pytest.raises(IntegrityError):
        Market.objects.update(this_option="Perhaps")


def test_an_ingestion_that_waits_for_the_first_bet_leaves_its_terms(upstream, there, mirrored):
    """What it read before was a market without bets, whose new identity would have been taken."""
    ann, before = sign_up("ann"), Market.objects.values("this_token_id", "this_option").get(pk=mirrored.pk)
    order_of_ann = priced(mirrored)
    there.change_tokens()
    placed, may_commit = Event(), Event()

    def bet() -> None:
        with transaction.atomic():
            place_bet(priced=order_of_ann, user_id=ann.id, clock=clock)
            placed.set()
            may_commit.wait(10)

    with ThreadPoolExecutor(2) as pool:
        betting = pool.submit(in_thread, bet)
        placed.wait(10)
        ingesting = pool.submit(in_thread, lambda: ingest(upstream))
        wait_until(someone_waits_for_a_lock)
        may_commit.set()
        betting.result(10)
        assert ingesting.result(20)["errors"] == 0
    after = Market.objects.get(pk=mirrored.pk)
    assert {"this_token_id": after.this_token_id, "this_option": after.this_option} == before
    ingest(upstream)
    after.refresh_from_db(fields=["suspended_reason"])
    assert after.suspended_reason
