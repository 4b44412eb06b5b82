"""What staff see of a decision before they confirm it: whom it would pay, how much, and what it leaves the house."""

from decimal import Decimal
from uuid import uuid4

import pytest

from betting.errors import MarketNotFound
from betting.settlement import preview_settlement
from tests.betting.factories import everything
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, move_odds, settle
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(new_player):
    return new_player("bob")


@pytest.fixture
def stakes(ann, bob, kettle):
    """On THIS 100 and 60 of ann, of the latter 20 sold, and 120 of bob; on THAT 100 of bob. Elsewhere 10."""
    ann.bet(kettle, 100, "this")
    bet = ann.bet(kettle, 60, "this")
    bob.bet(kettle, 120, "this")
    bob.bet(kettle, 100, "that")
    ann.sell(bet, "20")
    bob.bet(add_market(slug="other"), 10, "this")


def receivers(shown):
    return [row[1:] for row in shown.receivers]


@pytest.mark.parametrize(
    ("outcome", "payout", "gain", "paid"),
    [
        ("this", Decimal("433.32"), Decimal("-73.32"), [("ann", 2, Decimal("233.32")), ("bob", 1, Decimal(200))]),
        ("that", 250, 110, [("bob", 1, 250)]),
        ("invalid", 360, 0, [("bob", 2, 220), ("ann", 2, 140)]),
    ],
)
def test_each_decision_says_whom_it_would_pay_those_with_most_first(stakes, kettle, outcome, payout, gain, paid):
    shown = preview_settlement(market_id=kettle.pk, outcome=outcome)
    assert (shown.bets, shown.users, shown.stake) == (4, 2, 360)
    assert (shown.payout, shown.house_gain) == (payout, gain)
    assert receivers(shown) == paid


@pytest.mark.parametrize("outcome", ["this", "that", "invalid"])
def test_it_is_what_the_settlement_then_pays(stakes, ann, bob, kettle, outcome):
    move_odds(kettle, "0.3000")
    ann.bet(kettle, 33, "that")
    before = {player.id: player.booked()["credit_balance"] for player in (ann, bob)}
    shown = preview_settlement(market_id=kettle.pk, outcome=outcome)
    end(kettle, outcome)
    done = settle(kettle)
    assert done.paid + done.refunded == shown.payout
    assert done.won + done.lost + done.cancelled == shown.bets
    for row in shown.receivers:
        before[row.user_id] += row.payout
    assert before == {player.id: player.booked()["credit_balance"] for player in (ann, bob)}


def test_looking_changes_nothing(stakes, ann, bob, kettle):
    before = everything(ann, bob)
    preview_settlement(market_id=kettle.pk, outcome="this")
    assert everything(ann, bob) == before


def test_bets_that_are_settled_already_are_not_in_a_preview(stakes, kettle):
    end(kettle, "this")
    settle(kettle)
    shown = preview_settlement(market_id=kettle.pk, outcome="this")
    assert (shown.bets, shown.users, shown.stake, shown.payout, shown.receivers) == (0, 0, 0, 0, [])


def test_a_preview_takes_three_statements_however_many_bets_there_are(kettle, django_assert_num_queries):
    add_users(300)
    place_many(kettle, 600)
    with django_assert_num_queries(3):
        shown = preview_settlement(market_id=kettle.pk, outcome="invalid", limit=50)
    assert (shown.bets, shown.users, shown.payout, len(shown.receivers)) == (600, 300, 6_000, 50)


def test_a_preview_of_an_unknown_market_is_refused(db):
    with pytest.raises(MarketNotFound):
        preview_settlement(market_id=uuid4(), outcome="this")
