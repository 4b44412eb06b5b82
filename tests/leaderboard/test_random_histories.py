"""Whatever users did, the boards are what a naive count in Python finds, counted on the way or from nothing."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from accounts.models import User
from accounts.staff import COMMAND_LINE
from betting.models import Bet
from betting.reversal import reverse_settlement
from economy.stocks.trading import close_worthless_holdings
from leaderboard.models import EVER, Board, Scope, UserTotals
from leaderboard.rules import Period, first_day
from leaderboard.selectors import get_place
from leaderboard.services import rebuild_leaderboard, update_leaderboard
from markets.models import Market
from tests.betting.factories import Player, sign_up
from tests.betting.settlement.factories import end, move_odds, settle
from tests.economy.stocks.factories import list_stock, new_trader, set_price
from tests.leaderboard.factories import bet_at, figures, kept, naive, naive_in_category, ranks, sell_at
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db
STEPS = 50
CATEGORIES = ["politics", "sports"]
NOWHERE = (None, None, 0, 0)


@dataclass
class History:
    """Two weeks around the end of a month, some hours at a time."""

    random: Random
    now: datetime = datetime(2026, 2, 22, 20, tzinfo=UTC)
    players: list[Player] = field(default_factory=list)
    markets: list[Market] = field(default_factory=list)
    over: list[Market] = field(default_factory=list)

    def begin(self) -> None:
        self.staff = sign_up("boss", is_staff=True)
        for _ in range(4):
            self.join()
            self.ask()

    def step(self) -> None:
        self.now += timedelta(minutes=self.random.choice([7, 40, 200, 500]))
        acts = (
            [self.bet] * 6
            + [self.sell] * 3
            + [self.finish, self.reverse, self.join, self.ask, self.recategorize, self.suspend, self.promote]
        )
        self.random.choice([*acts, self.count, self.count])()

    def join(self) -> None:
        self.players.append(sign_up(f"player_{len(self.players)}"))

    def ask(self) -> None:
        category = self.random.choice(CATEGORIES)
        self.markets.append(add_market(title=f"Question {self.now:%d %H:%M}", category=category))

    def recategorize(self) -> None:
        """As ingestion does; also of one that is over."""
        chosen = self.random.choice([*self.markets, *self.over])
        Market.objects.filter(pk=chosen.pk).update(category=self.random.choice(CATEGORIES))

    def bet(self) -> None:
        player = self.random.choice(self.players)
        balance = User.objects.get(pk=player.id).credit_balance
        if balance >= 60 and self.markets:
            market, side = self.random.choice(self.markets), self.random.choice(["this", "that"])
            bet_at(player, market, self.random.choice([10, 10, 20, 60]), self.now, side)

    def sell(self) -> None:
        held = Bet.objects.filter(status="pending", market__in=self.markets).order_by("pk")
        if held:
            bet = self.random.choice(list(held))
            move_odds(bet.market, self.random.choice(["0.3000", "0.6000", "0.8500"]))
            player = next(player for player in self.players if player.id == bet.user_id)
            sell_at(player, bet.pk, self.random.choice([None, 1]), self.now)

    def finish(self) -> None:
        if self.markets:
            self.over.append(self.markets.pop(self.random.randrange(len(self.markets))))
            resolution = self.random.choice(["this", "that", "invalid"])
            end(self.over[-1], resolution, status="cancelled" if resolution == "invalid" else "resolved")
            settle(self.over[-1], now=self.now)

    def reverse(self) -> None:
        if self.over:
            wrong = self.over.pop()
            reverse_settlement(market_id=wrong.pk, by=COMMAND_LINE, reason="It was wrong.", now=self.now)

    def suspend(self) -> None:
        chosen = self.random.choice(self.players)
        active = User.objects.get(pk=chosen.id).is_active
        User.objects.filter(pk=chosen.id).update(is_active=not active)

    def promote(self) -> None:
        chosen = self.random.choice(self.players)
        User.objects.filter(pk=chosen.id).update(is_staff=self.random.choice([True, False]))

    def count(self) -> None:
        update_leaderboard(now=self.now)


class TestRandomHistories(TestCase):
    @settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(random=some.randoms(use_true_random=False))
    def test_updated_and_rebuilt_boards_equal_a_naive_count(self, random):
        history = History(random)
        history.begin()
        for _ in range(STEPS):
            history.step()
        history.count()
        today = history.now.date()
        for period in Period:
            expected = naive(period, first_day(period, today), date.max if period == Period.ALL else today)
            assert ranks(Scope.of_period(period)) == expected, period
            assert Board.objects.get(period=period).total == len(expected)
            places = {
                player.id: get_place(user_id=player.id, scope=Scope.of_period(period))[1:] for player in history.players
            }
            assert places == {player: expected.get(player, NOWHERE) for player in places}
        for category in CATEGORIES:
            board = Scope.of_category(category)
            expected = naive_in_category(category)
            assert ranks(board) == expected, category
            assert get_place(user_id=history.staff.id, scope=board)[0] == len(expected)
        assert_categories_add_up()
        assert_totals_are_those_of_the_bets()
        counted = kept()
        rebuild_leaderboard(now=history.now)
        assert kept() == counted


def assert_categories_add_up() -> None:
    """To all that users staked on markets and realized: nobody here has stocks."""
    for user_id, (_, _, profit, volume) in ranks(EVER).items():
        places = [get_place(user_id=user_id, scope=Scope.of_category(category)) for category in CATEGORIES]
        assert (sum(place[3] for place in places), sum(place[4] for place in places)) == (profit, volume)


def assert_totals_are_those_of_the_bets() -> None:
    expected: dict[UUID, list[int]] = {}
    for bet in Bet.objects.all():
        totals = expected.setdefault(bet.user_id, [0, 0, 0])
        for place, counts in enumerate((True, bet.status == "won", bet.status == "lost")):
            totals[place] += counts
    kept_totals = {row.user_id: [row.bets, row.won, row.lost] for row in UserTotals.objects.all()}
    assert kept_totals == expected


def test_profit_of_stocks_counts_on_the_day_of_their_sale():
    acme, ann = list_stock(), new_trader("ann")
    ann.buy(acme, 10, leverage=2)
    set_price(acme, "12")
    ann.sell(acme, 4)
    update_leaderboard(now=timezone.now())
    profit = ann.booked()["overall_pnl"]
    assert profit > 0
    assert figures("pnl", period="week") == figures("pnl", period="month") == {"ann": (profit, 0)}


def test_a_holding_that_became_worthless_is_a_loss_of_that_day():
    acme, ann = list_stock(), new_trader("ann")
    ann.buy(acme, 10, leverage=10)
    set_price(acme, "5")
    close_worthless_holdings(now=timezone.now())
    update_leaderboard(now=timezone.now())
    assert ann.booked()["overall_pnl"] < 0
    assert figures("pnl", period="week") == {"ann": (ann.booked()["overall_pnl"], 0)}
