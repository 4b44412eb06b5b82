"""Random histories of betting against a small pure model: after every step the database and the model agree."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import count

import pytest
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from betting import orders
from markets.models import Market
from tests.betting.factories import BETS, Player, assert_audit_passes, order, sign_up
from tests.economy.factories import give
from tests.markets.factories import add_market

fresh_number = count()
picks = some.integers(0, 10**6)
cents = some.integers(1, 120_000) | some.sampled_from([999, 1_000, 1_000_000, 1_000_001])
steps = some.integers(0, 10_000)
sides = some.sampled_from(["this", "that"])


def down(exact: Fraction) -> Fraction:
    """To the cent."""
    return Fraction(exact * 100 // 1, 100)


@dataclass
class Person:
    """What the ledger should say of a user, in credits."""

    player: Player
    balance: Fraction = Fraction(1000)
    staked: Fraction = Fraction(0)
    profit: Fraction = Fraction(0)


@dataclass
class Question:
    market: Market
    this: Fraction = Fraction(6, 10)
    open: bool = True

    def odds(self, side: str) -> Fraction:
        return self.this if side == "this" else 1 - self.this

    def refusal(self, side: str) -> str | None:
        if not self.open:
            return "market_not_open"
        return None if 0 < self.odds(side) < 1 else "market_not_accepting"


@dataclass
class Stake:
    owner: Person
    question: Question
    side: str
    amount: Fraction
    odds: Fraction
    shown: dict
    sold: Fraction = Fraction(0)
    brought: Fraction = Fraction(0)
    sales: list[Fraction] = field(default_factory=list)

    @property
    def left(self) -> Fraction:
        return self.amount - self.sold


class Betting(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.users = [Person(sign_up(f"player{next(fresh_number)}"))]
        self.questions = [Question(add_market())]
        self.stakes: list[Stake] = []

    def pick(self, of: list, number: int):
        return of[number % len(of)]

    @precondition(lambda self: len(self.users) < 3)
    @rule()
    def sign_up(self) -> None:
        self.users.append(Person(sign_up(f"player{next(fresh_number)}")))

    @precondition(lambda self: len(self.questions) < 3)
    @rule()
    def ask_another_question(self) -> None:
        self.questions.append(Question(add_market()))

    @rule(who=picks, amount=some.integers(1, 50_000))
    def bonus(self, who: int, amount: int) -> None:
        person = self.pick(self.users, who)
        give(person.player.id, Decimal(amount) / 100)
        person.balance += Fraction(amount, 100)

    @rule(which=picks, step=steps)
    def odds_move(self, which: int, step: int) -> None:
        question = self.pick(self.questions, which)
        question.this = Fraction(step, 10_000)
        odds = Decimal(step) / 10_000
        Market.objects.filter(pk=question.market.pk).update(this_odds=odds, that_odds=1 - odds)

    @rule(which=picks, opens=some.booleans())
    def close_or_open(self, which: int, opens: bool) -> None:
        question = self.pick(self.questions, which)
        question.open = opens
        Market.objects.filter(pk=question.market.pk).update(status="open" if opens else "closed")
        # A process remembers for a second that a market took orders.
        orders.clear_cache()

    def expected_refusal(self, person: Person | None, question: Question, side: str, amount: int) -> str | None:
        if not 1_000 <= amount <= 1_000_000:
            return "validation_error"
        if refusal := question.refusal(side):
            return refusal
        return "insufficient_credits" if person and person.balance < Fraction(amount, 100) else None

    @rule(who=picks, which=picks, side=sides, amount=cents)
    def bet(self, who: int, which: int, side: str, amount: int) -> None:
        person, question = self.pick(self.users, who), self.pick(self.questions, which)
        response = person.player.post("", order(question.market, Decimal(amount) / 100, side))
        refusal = self.expected_refusal(person, question, side, amount)
        assert response.json().get("code") == refusal
        if refusal is None:
            stake, odds = Fraction(amount, 100), question.odds(side)
            person.balance -= stake
            person.staked += stake
            self.stakes.append(Stake(person, question, side, stake, odds, response.json()["bet"]))
            assert Fraction(str(response.json()["potentialPayout"])) == down(stake / odds)

    @rule(which=picks, side=sides, amount=cents)
    def quote(self, which: int, side: str, amount: int) -> None:
        question = self.pick(self.questions, which)
        body = order(str(question.market.pk), amount / 100, side)
        response = Client().post(f"{BETS}/quote", body, content_type="application/json").json()
        refusal = self.expected_refusal(None, question, side, amount)
        assert response.get("code") == refusal
        if refusal is None:
            assert Fraction(str(response["quote"]["potentialPayout"])) == down(
                Fraction(amount, 100) / question.odds(side)
            )

    @precondition(lambda self: self.stakes)
    @rule(which=picks, part=some.none() | cents)
    def sell(self, which: int, part: int | None) -> None:
        stake = self.pick(self.stakes, which)
        amount = stake.left if part is None else Fraction(part, 100)
        body = None if part is None else {"amount": Decimal(part) / 100}
        response = stake.owner.player.post(f"/{stake.shown['id']}/sell", body)
        refusal = "bet_not_sellable" if not stake.left else None
        refusal = refusal or ("amount_exceeds_stake" if amount > stake.left else stake.question.refusal(stake.side))
        assert response.json().get("code") == refusal
        if refusal is None:
            brought = down(amount * stake.question.odds(stake.side) / stake.odds)
            assert Fraction(str(response.json()["creditsReturned"])) == brought
            stake.sold += amount
            stake.brought += brought
            stake.owner.balance += brought
            stake.owner.profit += brought - amount

    @invariant()
    def the_users_columns_agree(self) -> None:
        for person in getattr(self, "users", ()):
            booked = person.player.booked()
            staked = sum((stake.left for stake in self.stakes if stake.owner is person), Fraction(0))
            assert Fraction(booked["credit_balance"]) == person.balance >= 0
            assert Fraction(booked["locked_credits"]) == staked
            assert Fraction(booked["total_volume"]) == Fraction(booked["expended_credits"]) == person.staked
            assert Fraction(booked["overall_pnl"]) == person.profit

    @invariant()
    def the_bets_agree(self) -> None:
        for stake in getattr(self, "stakes", ())[-3:]:
            shown = stake.owner.player.show(stake.shown)
            assert shown["status"] == ("pending" if stake.left else "sold")
            assert (Fraction(shown["soldAmount"]), Fraction(shown["soldPayout"])) == (stake.sold, stake.brought)
            worth = down(stake.left * stake.question.odds(stake.side) / stake.odds)
            assert Fraction(shown["currentValue"]) == worth

    def teardown(self) -> None:
        assert_audit_passes()


@pytest.mark.django_db
def test_random_histories_agree_with_the_model():
    checked = settings(max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Betting, settings=checked)
