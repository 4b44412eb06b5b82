"""Settlements, bets and sales at the same time, of the same users: real threads, committed transactions."""

import random
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting import settlement, tasks
from betting.models import Bet, Settlement
from betting.reversal import reverse_settlement
from economy.models import CreditTransaction
from tests.betting.factories import assert_audit_passes, order, sign_up
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, figures, settle, worth
from tests.concurrently import all_at_once
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_at_once_pay_everybody_once(kettle):
    add_users(100)
    place_many(kettle, 1_500)
    end(kettle, "this")
    all_at_once(lambda: settle(kettle, size=50), 2)
    assert figures(settle(kettle)) == (1_000, 500, 0, Decimal(16_660), 0)
    assert Settlement.objects.count() == 1
    assert CreditTransaction.objects.filter(transaction_type="bet_payout").count() == 1_000
    assert_audit_passes()


def test_many_workers_on_one_bet_pay_it_once(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    all_at_once(lambda: settle(kettle), 8)
    assert worth(ann) == (Decimal("1066.66"), 0, Decimal("66.66"), 100)
    assert_audit_passes()


def test_markets_with_the_same_users_settle_at_once_without_a_deadlock():
    add_users(50)
    markets = [add_market(slug=f"market-{number}") for number in range(4)]
    for market in markets:
        place_many(market, 300)
        end(market, "this")
    turns = iter(markets)
    # Without a second try by the caller: what collides is tried again inside, and here nothing should.
    done = all_at_once(lambda: settle(next(turns), size=40), len(markets))
    assert {(row.won, row.lost) for row in done} == {(200, 100)}
    assert_audit_passes()


def test_what_staff_reverse_right_after_it_was_paid_is_no_failure_of_the_worker(ann, kettle):
    def undo(settled: int) -> None:
        reverse_settlement(market_id=kettle.pk, by=COMMAND_LINE, reason="Was wrong.", now=timezone.now())

    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    now = timezone.now()
    assert settlement.settle_if_over(market_id=kettle.pk, now=now, progress=undo) is False
    assert worth(ann) == (900, 100, 0, 100)
    assert_audit_passes()


def test_bets_and_sales_go_on_while_two_workers_pay_the_same_users():
    players = [sign_up(f"player{number}") for number in range(8)]
    ending = [add_market(slug=f"ending-{number}") for number in range(2)]
    going_on = [add_market(slug=f"open-{number}") for number in range(3)]
    for market in ending:
        for player in players:
            for side in ("this", "that"):
                player.bet(market, 10, side)
    sellable = {player.id: player.bet(going_on[0], 50) for player in players}
    for market in ending:
        end(market, "this")
    roles = iter([*(("settle", market) for market in ending), *(("play", player) for player in players)])

    def act():
        role, who = next(roles)
        if role == "settle":
            settle(who, size=3)
            return []
        dice = random.Random(str(who.id))
        responses = [who.post("", order(dice.choice(going_on), 10)).status_code for _ in range(5)]
        return [*responses, who.post(f"/{sellable[who.id]['id']}/sell").status_code]

    responses = all_at_once(act, len(ending) + len(players))
    assert {code for codes in responses for code in codes} == {200, 201}
    assert not Bet.objects.filter(market__in=ending, status="pending").exists()
    assert_audit_passes()


def test_no_bet_and_no_sale_slips_into_a_market_that_ends():
    players = [sign_up(f"player{number}") for number in range(6)]
    market = add_market(slug="ending")
    sellable = {player.id: player.bet(market, 50) for player in players}
    roles = iter(["end", *players])

    def act():
        role = next(roles)
        if role == "end":
            end(market, "this")
            tasks.settle_markets()
            return []
        responses = [role.post("", order(market, 10)).status_code for _ in range(4)]
        return [*responses, role.post(f"/{sellable[role.id]['id']}/sell").status_code]

    responses = all_at_once(act, len(players) + 1)
    assert {code for codes in responses for code in codes} <= {200, 201, 400, 409}
    tasks.settle_markets()
    assert not Bet.objects.filter(status="pending").exists()
    assert_audit_passes()
