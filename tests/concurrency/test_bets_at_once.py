"""Many requests at once, through the API, on the real database; after each test the audit passes."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.db import transaction
from django.utils import timezone

from betting import rules
from betting.models import Bet, BetSale
from betting.orders import get_market_snapshot, validate_order
from betting.pricing import price_order
from betting.services import place_bet
from economy.models import CreditTransaction
from markets.models import Market
from tests.betting.factories import Player, execute, order, read, sign_up
from tests.concurrently import all_at_once, in_thread, wait_until, waiting
from tests.economy.factories import give
from tests.markets.factories import add_market

T = TypeVar("T")
# As many threads as work at once; what is left waits its turn.
CROWD = 25


def many(work: Callable[[], T], times: int) -> list[T]:
    """What `work` returned so many times, by a crowd of threads; more than a server has, and fewer than 200."""
    with ThreadPoolExecutor(CROWD) as pool:
        each = [pool.submit(in_thread, work) for _ in range(times)]
        return [one.result(60) for one in each]


def codes(responses: list[Any]) -> Counter[str]:
    return Counter(response.json().get("code", "done") for response in responses)


def placed(player: Player) -> int:
    return Bet.objects.filter(user_id=player.id).count()


def test_exactly_10_of_200_bets_of_100_at_once_succeed_with_1000_credits(ann, kettle):
    """Lesson 1: balance read, checked, then written as an absolute number: 108 were accepted."""
    responses = many(lambda: ann.post("", order(kettle, 100)), 200)
    assert codes(responses) == {"done": 10, "insufficient_credits": 190}
    assert placed(ann) == 10
    assert (ann.booked()["credit_balance"], ann.booked()["locked_credits"]) == (0, 1000)


def test_50_equal_requests_with_one_key_place_one_bet_and_get_one_response(ann, kettle):
    """Lesson 16: a timeout, a retry, three fills for one intended order."""
    responses = many(lambda: ann.post("", order(kettle, 100), Idempotency_Key="the-one"), 50)
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotency-Replayed" in response for response in responses) == 49
    assert placed(ann) == 1


def test_50_equal_sales_with_one_key_sell_once(ann, kettle):
    bet = ann.bet(kettle, 100)
    responses = many(lambda: ann.post(f"/{bet['id']}/sell", {"amount": 30}, Idempotency_Key="the-one"), 50)
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert ann.show(bet)["soldAmount"] == 30


@pytest.mark.parametrize("turn", range(10))
def test_a_position_sold_by_many_at_once_is_sold_once(ann, kettle, turn):
    """Lesson 2: one position sold ten times by 50 simultaneous requests."""
    bet = ann.bet(kettle, 100)
    responses = all_at_once(lambda: ann.post(f"/{bet['id']}/sell"), 8)
    seen = codes(responses)
    assert seen["done"] == 1
    assert set(seen) <= {"done", "position_changed", "bet_not_sellable"}
    assert {response.status_code for response in responses} <= {200, 400, 409}
    assert BetSale.objects.get().amount == 100
    assert ann.booked()["credit_balance"] == 1000


def test_parts_sold_at_once_never_sum_above_the_stake(ann, kettle):
    bet = ann.bet(kettle, 100)
    responses = many(lambda: ann.post(f"/{bet['id']}/sell", {"amount": 30}), 20)
    assert codes(responses)["done"] == 3
    assert ann.show(bet)["soldAmount"] == 90
    assert ann.booked()["locked_credits"] == 10


def close(market: Market) -> None:
    """As ingestion or staff do: the row is written, so its lock is exclusive."""
    Market.objects.filter(pk=market.pk).update(status="closed")


@pytest.mark.parametrize("turn", range(5))
def test_no_bet_slips_into_a_market_that_has_closed(kettle, turn):
    players = [sign_up(f"user{number}") for number in range(6)]
    closed_at = []
    gate = threading.Barrier(7)

    def bet(player: Player) -> list[Any]:
        gate.wait(10)
        return [player.post("", order(kettle, 10)) for _ in range(10)]

    def shut() -> None:
        gate.wait(10)
        wait_until(Bet.objects.exists)
        close(kettle)
        closed_at.append(timezone.now())

    with ThreadPoolExecutor(7) as pool:
        betting = [pool.submit(in_thread, lambda player=player: bet(player)) for player in players]
        pool.submit(in_thread, shut).result(20)
        responses = [response for each in betting for response in each.result(20)]
    assert set(codes(responses)) <= {"done", "market_not_open"}
    assert Bet.objects.filter(placed_at__gt=closed_at[0]).count() == 0
    assert Bet.objects.count() == codes(responses)["done"]


def test_a_bet_waits_for_the_market_that_is_being_closed_and_is_then_refused(ann, kettle):
    responses = []
    with transaction.atomic():
        close(kettle)
        betting = threading.Thread(target=in_thread, args=(lambda: responses.append(ann.post("", order(kettle))),))
        betting.start()
        wait_until(waiting)
        assert responses == []
    betting.join(10)
    assert codes(responses) == {"market_not_open": 1}


def test_closing_waits_for_the_bet_that_is_being_placed(ann, kettle):
    with transaction.atomic():
        execute("SELECT 1 FROM markets WHERE id = %s FOR SHARE", kettle.pk)
        closing = threading.Thread(target=in_thread, args=(lambda: close(kettle),))
        closing.start()
        wait_until(waiting)
        assert Market.objects.get(pk=kettle.pk).status == "open"
    closing.join(10)
    assert Market.objects.get(pk=kettle.pk).status == "closed"


def test_deposits_and_bets_at_once_lose_nothing(ann, kettle):
    """Each starts from the balance that the one before left."""
    with ThreadPoolExecutor(16) as pool:
        deposits = [pool.submit(in_thread, lambda: give(ann.id, 10)) for _ in range(40)]
        bets = [pool.submit(in_thread, lambda: ann.post("", order(kettle, 20))) for _ in range(40)]
        responses = [bet.result(30) for bet in bets]
        assert len([deposit.result(30) for deposit in deposits]) == 40
    assert codes(responses) == {"done": 40}
    assert ann.booked()["credit_balance"] == 1000 + 400 - 800
    assert CreditTransaction.objects.filter(user_id=ann.id).count() == 81


def test_two_users_bets_on_one_market_do_not_wait_for_each_other(ann, kettle):
    """Lesson 18: a hot shared row made every bet four times slower."""
    bob = sign_up("bob")
    responses = []
    now = timezone.now()
    with transaction.atomic():
        market = get_market_snapshot(str(kettle.pk))
        priced = price_order(order=validate_order(order(kettle)), market=market, now=now, before_upstream=lambda: None)
        place_bet(priced=priced, user_id=ann.id, clock=timezone.now)
        other = threading.Thread(target=in_thread, args=(lambda: responses.append(bob.post("", order(kettle))),))
        other.start()
        other.join(5)
        assert codes(responses) == {"done": 1}, "bob waits for ann's transaction"
    assert (placed(ann), placed(bob)) == (1, 1)


def test_users_who_bet_and_sell_on_the_same_markets_never_deadlock(db):
    """Lesson 19: rows locked in different orders, and 500 instead of "nothing happened, try again"."""
    players = [sign_up(f"user{number}") for number in range(4)]
    markets = [add_market(title=f"Question {number}") for number in range(3)]

    def live(player: Player, turn: int) -> list[int]:
        statuses = []
        for step in range(8):
            market = markets[(turn + step) % 3]
            response = player.post("", order(market, 10))
            statuses.append(response.status_code)
            if response.status_code == 201:
                sold = player.post(f"/{response.json()['bet']['id']}/sell", {"amount": 5})
                statuses.append(sold.status_code)
            give(player.id, 1)
        return statuses

    with ThreadPoolExecutor(8) as pool:
        each = [
            pool.submit(in_thread, lambda player=player, turn=turn: live(player, turn))
            for turn in range(2)
            for player in players
        ]
        statuses = {status for one in each for status in one.result(60)}
    assert statuses == {200, 201}


def test_a_bet_that_waits_too_long_for_the_users_row_is_to_be_tried_again(ann, kettle):
    """Nothing happened, and the response says so; never a 500."""
    responses = []
    read(ann.get("/me"))
    with transaction.atomic():
        execute("SELECT 1 FROM users WHERE id = %s FOR NO KEY UPDATE", ann.id)
        betting = threading.Thread(target=in_thread, args=(lambda: responses.append(ann.post("", order(kettle))),))
        betting.start()
        betting.join(30)
    assert codes(responses) == {"try_again": 1}
    assert responses[0].status_code == 503
    assert int(responses[0]["Retry-After"]) >= 1
    assert placed(ann) == 0


def test_a_price_that_grew_old_while_waiting_for_locks_is_not_used(ann, mirrored, monkeypatch):
    """Lesson 24, inside the transaction too."""
    monkeypatch.setattr(rules, "FILL_MAX_AGE", timedelta(seconds=1))
    responses = []
    ann.bet(mirrored, 10)
    with transaction.atomic():
        execute("SELECT 1 FROM users WHERE id = %s FOR NO KEY UPDATE", ann.id)
        betting = threading.Thread(target=in_thread, args=(lambda: responses.append(ann.post("", order(mirrored))),))
        betting.start()
        wait_until(waiting)
        threading.Event().wait(1.2)
    betting.join(10)
    assert codes(responses) == {"price_unavailable": 1}
    assert placed(ann) == 1
    assert ann.booked()["credit_balance"] == Decimal(990)


def test_a_sale_whose_price_grew_old_while_it_waited_for_locks_is_not_made(ann, mirrored, monkeypatch):
    monkeypatch.setattr(rules, "FILL_MAX_AGE", timedelta(seconds=1))
    responses = []
    bet = ann.bet(mirrored, 10)
    with transaction.atomic():
        execute("SELECT 1 FROM users WHERE id = %s FOR NO KEY UPDATE", ann.id)
        selling = threading.Thread(target=in_thread, args=(lambda: responses.append(ann.post(f"/{bet['id']}/sell")),))
        selling.start()
        wait_until(waiting)
        threading.Event().wait(1.2)
    selling.join(10)
    assert codes(responses) == {"price_unavailable": 1}
    assert ann.show(bet)["soldAmount"] == 0
