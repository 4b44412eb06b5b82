"""Many users on one market that prices itself, at once with its settlement, a pause and new liquidity."""

from decimal import Decimal
from random import Random

import pytest
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.staff import COMMAND_LINE
from betting.lmsr import first_curve
from betting.makers import add_liquidity
from betting.models import Bet, BetSale, MarketMaker
from economy.models import HouseEntry
from markets import house
from markets.models import Market
from markets.resolution.staff import resolve_market
from tests.betting.factories import Player, add_lmsr, order
from tests.betting.settlement.bulk import add_users
from tests.betting.settlement.factories import settle
from tests.concurrently import all_at_once

BETTORS = 50
REFUSALS = {"market_not_open", "market_not_accepting", "position_changed", "bet_not_sellable"}


@pytest.fixture
def players(committed) -> list[Player]:
    add_users(BETTORS, credits_each=1_000)
    return [Player(user, str(AccessToken.for_user(user))) for user in User.objects.order_by("pk")]


@pytest.fixture
def rain(players) -> Market:
    return add_lmsr("0.5", "5000")


def play(player: Player, market: Market) -> set[str]:
    """Bet on a side, then sell a part and bet on the other; return the codes of refusals."""
    dice = Random(str(player.id))
    side, other = dice.sample(["this", "that"], 2)
    responses = [player.post("", order(market, dice.choice([10, 25, 60]), side))]
    if responses[0].status_code == 201:
        responses.append(player.post(f"/{responses[0].json()['bet']['id']}/sell", {"amount": 4}))
        responses.append(player.post("", order(market, 10, other)))
    assert {response.status_code for response in responses} <= {200, 201, 400, 409}, [r.content for r in responses]
    return {response.json().get("code", "") for response in responses} - {""}


def in_turn(players: list[Player], market: Market, *others) -> set[str]:
    """Have everybody play at once, and the others act meanwhile; return the codes of refusals."""
    acts = [lambda player=player: play(player, market) for player in players]
    for act in others:
        acts.insert(len(acts) // 2, lambda act=act: act() and set())
    todo = iter(acts)
    codes: set[str] = set()
    for found in all_at_once(lambda: next(todo)(), len(acts)):  # noqa: PLW0108 - each thread takes its own
        codes |= found or set()
    return codes


def test_50_bettors_on_one_market_at_once_take_turns(players, rain):
    assert in_turn(players, rain) == set()
    assert Bet.objects.count() == 2 * BETTORS
    # Each was priced by what all before it had left.
    curve = first_curve(odds=Decimal("0.5"), subsidy=Decimal(5000))
    bets = [(bet.placed_at, bet.side, bet.amount, bet.shares, True) for bet in Bet.objects.all()]
    sales = [
        (sale.created_at, sale.bet.side, sale.payout, sale.shares, False)
        for sale in BetSale.objects.select_related("bet")
    ]
    for _, side, paid, shares, bought in sorted(bets + sales):
        is_this = side == "this"
        trade = curve.buy(paid, is_this=is_this) if bought else curve.sell(shares, is_this=is_this)
        assert (trade.shares, trade.credits) == (shares, paid)
        curve = curve.with_shares(shares if bought else -shares, is_this=is_this)
    maker = MarketMaker.objects.get()
    assert (maker.q_this, maker.q_that) == (curve.q_this, curve.q_that)
    assert Market.objects.get().this_odds == round(curve.price(is_this=True), 4)


@pytest.mark.parametrize("result", ["this", "that", "invalid"])
def test_bets_against_a_settlement(players, rain, result):
    def resolve():
        given = {"by": COMMAND_LINE, "reason": "It is known.", "now": timezone.now()}
        resolve_market(market_id=rain.pk, outcome=result, **given)
        settle(rain)
        return True

    assert in_turn(players, rain, resolve) <= REFUSALS
    settle(rain)
    assert not Bet.objects.filter(status="pending").exists()
    assert HouseEntry.objects.order_by("-sequence").first().entry_type == "subsidy_return"


def test_bets_against_a_pause_and_new_liquidity(players, rain):
    given = {"market_id": rain.pk, "by": COMMAND_LINE, "reason": "So.", "now": timezone.now()}

    def pause():
        house.pause_house_market(**given)
        return house.resume_house_market(**given)

    assert in_turn(players, rain, pause, lambda: add_liquidity(amount=Decimal(2500), **given)) <= REFUSALS
    assert MarketMaker.objects.get().subsidy == 7500
