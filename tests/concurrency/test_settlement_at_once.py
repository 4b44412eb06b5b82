"""Settlements, reversals, bets and sales of the same users at once: nobody sees a deadlock, and the audit passes."""

import threading
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.staff import COMMAND_LINE
from betting import tasks
from betting.errors import MarketNotOver
from betting.models import Bet, Settlement
from betting.reversal import reverse_settlement
from markets.models import Market
from tests.betting.factories import Player, order
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, settle, worth
from tests.concurrently import all_at_once, in_thread, wait_until, waiting
from tests.economy.factories import give
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db(transaction=True)
BETTORS, BETS, BATCH = 50, 3_000, 100


@pytest.fixture
def players(db) -> list[Player]:
    add_users(BETTORS, credits_each=10_000)
    return [Player(user, str(AccessToken.for_user(user))) for user in User.objects.order_by("pk")]


@pytest.fixture
def going_on(players) -> list[Market]:
    return [add_market(slug=f"open-{number}") for number in range(3)]


@pytest.fixture
def ending(players) -> list[Market]:
    """Two markets with many bets of everybody, both over."""
    markets = [add_market(slug=f"ending-{number}") for number in range(2)]
    for market in markets:
        place_many(market, BETS)
        end(market, "this")
    return markets


def play(player: Player, markets: list[Market]) -> list[int]:
    """Bets, of which each second is sold again; the responses' statuses."""
    dice, statuses = Random(str(player.id)), []
    for turn in range(6):
        response = player.post("", order(dice.choice(markets), 10))
        statuses.append(response.status_code)
        if turn % 2:
            statuses.append(player.post(f"/{response.json()['bet']['id']}/sell", {"amount": 4}).status_code)
    return statuses


def all_of(work: list[Callable[[], Any]]) -> list[Any]:
    """What each returned, in the order given."""
    turns = iter(enumerate(work))

    def act() -> tuple[int, Any]:
        place, one = next(turns)
        return place, one()

    done = dict(all_at_once(act, len(work)))
    return [done[place] for place in range(len(work))]


def test_fifty_bettors_and_two_settlements_of_their_bets(players, going_on, ending):
    settling = [lambda market=market: settle(market, size=BATCH) for market in ending]
    betting = [lambda player=player: play(player, going_on) for player in players]
    first, second, *responses = all_of([*settling, *betting])
    assert {status for statuses in responses for status in statuses} == {200, 201}
    for done in (first, second):
        assert (done.won, done.lost, done.paid) == (BETS * 2 // 3, BETS // 3, Decimal("16.66") * (BETS * 2 // 3))
    assert Bet.objects.filter(market__in=going_on).count() == BETTORS * 6


def test_fifty_bettors_and_two_workers_on_one_market(players, going_on, ending):
    settling = [lambda: settle(ending[0], size=BATCH)] * 2
    betting = [lambda player=player: play(player, going_on) for player in players]
    responses = all_of([*settling, *betting])[2:]
    assert {status for statuses in responses for status in statuses} == {200, 201}
    assert Settlement.objects.get(market=ending[0]).paid == Decimal("16.66") * (BETS * 2 // 3)


def test_reversals_settlements_and_bets_of_the_same_users(players, going_on, ending):
    undone = ending[0]
    settle(undone)

    def undo() -> None:
        reverse_settlement(market_id=undone.pk, by=COMMAND_LINE, reason="Wrong.", now=timezone.now())
        end(undone, "that")
        settle(undone, size=BATCH)

    def keep_settling() -> None:
        for _ in range(5):
            try:
                settle(undone, size=BATCH)
            except MarketNotOver:
                continue

    betting = [lambda player=player: play(player, going_on) for player in players[:15]]
    responses = all_of([undo, keep_settling, lambda: settle(ending[1], size=BATCH), *betting])[3:]
    assert {status for statuses in responses for status in statuses} == {200, 201}
    tasks.settle_markets()
    assert not Bet.objects.filter(market__in=ending, status="pending").exists()
    assert Settlement.objects.get(market=undone, reversed_at=None).won == BETS // 3


def test_a_reversal_waits_for_what_a_user_spends_and_lends_what_is_missing_then(ann, kettle):
    """What users have left is read once they are locked."""
    ann.bet(kettle, 500, "this")
    end(kettle, "this")
    settle(kettle)  # 833.33 to ann, who has 1,333.33 now
    undone = []
    reversal = {"market_id": kettle.pk, "by": COMMAND_LINE, "reason": "The other one won.", "now": timezone.now()}
    undoing = threading.Thread(target=in_thread, args=(lambda: undone.append(reverse_settlement(**reversal)),))
    with transaction.atomic():
        give(ann.id, -1_000)
        undoing.start()
        wait_until(waiting)
    undoing.join(10)
    assert [(done.taken, done.debt) for done in undone] == [(Decimal("833.33"), Decimal("500.00"))]
    assert worth(ann)[:2] == (0, 500)
