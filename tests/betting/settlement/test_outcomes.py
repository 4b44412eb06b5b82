"""Each way in which a bet can end, to the cent. The house's market: THIS at 0.6000, THAT at 0.4000."""

from decimal import Decimal
from uuid import uuid4

import pytest

from betting.errors import MarketNotFound, MarketNotOver
from betting.models import Settlement
from markets.models import Market
from tests.betting.factories import assert_audit_passes, everything
from tests.betting.settlement.factories import end, figures, move_odds, outcome, settle, worth
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db


def test_a_winning_bet_is_paid_its_stake_over_its_odds_rounded_down(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    end(kettle, "this")
    done = settle(kettle)
    assert outcome(bet) == ("won", Decimal("166.66"))
    assert figures(done) == (1, 0, 0, Decimal("166.66"), 0)
    assert worth(ann) == (Decimal("1066.66"), 0, Decimal("66.66"), 100)
    assert ann.ledger_entries()[-1] == ("bet_payout", Decimal("166.66"), Decimal("1066.66"))
    assert_audit_passes()


def test_a_losing_bet_is_paid_nothing_and_has_no_row(ann, kettle):
    bet = ann.bet(kettle, 100, "that")
    before = ann.ledger_entries()
    end(kettle, "this")
    assert figures(settle(kettle)) == (0, 1, 0, 0, 0)
    assert outcome(bet) == ("lost", 0)
    assert worth(ann) == (900, 0, -100, 100)
    assert ann.ledger_entries() == before
    assert_audit_passes()


@pytest.mark.parametrize("status", ["resolved", "cancelled"])
def test_both_sides_of_a_void_market_get_their_stakes_back(ann, kettle, status):
    bets = [ann.bet(kettle, 100, "this"), ann.bet(kettle, 50, "that")]
    end(kettle, "invalid", status=status)
    assert figures(settle(kettle)) == (0, 0, 2, 0, 150)
    assert [outcome(bet) for bet in bets] == [("cancelled", 100), ("cancelled", 50)]
    assert worth(ann) == (1000, 0, 0, 150)
    assert [row[0] for row in ann.ledger_entries()[-2:]] == ["bet_refund", "bet_refund"]
    assert_audit_passes()


def test_both_sides_settle_in_one_go(ann, new_player, kettle):
    bob = new_player("bob")
    won, lost = bob.bet(kettle, 100, "that"), ann.bet(kettle, 100, "this")
    end(kettle, "that")
    assert figures(settle(kettle)) == (1, 1, 0, 250, 0)
    assert (outcome(won), outcome(lost)) == (("won", 250), ("lost", 0))
    assert (worth(bob), worth(ann)) == ((1150, 0, 150, 100), (900, 0, -100, 100))
    assert_audit_passes()


def test_only_the_unsold_rest_of_a_bet_is_paid(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    move_odds(kettle, "0.3000")
    ann.sell(bet, "33.33")  # for 16.66
    end(kettle, "this")
    settle(kettle)
    assert outcome(bet) == ("won", Decimal("111.11"))  # 66.67 / 0.6
    assert worth(ann) == (Decimal("1027.77"), 0, Decimal("27.77"), 100)
    assert_audit_passes()


def test_only_the_unsold_rest_of_a_bet_is_lost(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    ann.sell(bet, "40")
    end(kettle, "that")
    settle(kettle)
    assert outcome(bet) == ("lost", 0)
    assert worth(ann) == (940, 0, -60, 100)
    assert_audit_passes()


def test_only_the_unsold_rest_of_a_bet_is_refunded(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    move_odds(kettle, "0.3000")
    ann.sell(bet, "40")  # for 20
    end(kettle, "invalid")
    settle(kettle)
    assert outcome(bet) == ("cancelled", 60)
    assert worth(ann) == (980, 0, -20, 100)
    assert_audit_passes()


def test_a_bet_that_was_sold_before_is_left_alone(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    ann.sell(bet)
    before = everything(ann)
    end(kettle, "this")
    assert figures(settle(kettle)) == (0, 0, 0, 0, 0)
    assert everything(ann) == before
    assert_audit_passes()


def test_many_bets_of_one_user_have_their_rows_one_after_the_other(ann, kettle):
    for amount in (10, 20, 30, 40):
        ann.bet(kettle, amount, "that")
    lost = ann.bet(kettle, 100, "this")
    end(kettle, "that")
    assert figures(settle(kettle)) == (4, 1, 0, 250, 0)
    assert outcome(lost) == ("lost", 0)
    assert ann.ledger_entries()[-4:] == [
        ("bet_payout", Decimal(25), Decimal(825)),
        ("bet_payout", Decimal(50), Decimal(875)),
        ("bet_payout", Decimal(75), Decimal(950)),
        ("bet_payout", Decimal(100), Decimal(1050)),
    ]
    assert worth(ann) == (1050, 0, 50, 200)
    assert_audit_passes()


def test_a_market_without_bets_is_settled_with_nothing_to_pay(kettle):
    end(kettle)
    done = settle(kettle)
    assert figures(done) == (0, 0, 0, 0, 0)
    assert done.finished_at
    assert_audit_passes()


@pytest.mark.parametrize("size", [1, 2, 3, 5_000])
def test_batches_of_any_size_pay_the_same(ann, new_player, kettle, size):
    players = [ann, new_player("bob"), new_player("eve")]
    for player in players:
        player.bet(kettle, 100, "that")
        player.bet(kettle, 50, "this")
    end(kettle, "that")
    assert figures(settle(kettle, size=size)) == (3, 3, 0, 750, 0)
    assert {worth(player) for player in players} == {(1100, 0, 100, 150)}
    assert_audit_passes()


def test_settled_again_nobody_is_paid_again(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    first = settle(kettle)
    before = everything(ann)
    assert settle(kettle) == first
    assert everything(ann) == before
    assert Settlement.objects.count() == 1


def test_bets_on_other_markets_stay_as_they_are(ann, kettle):
    other = ann.bet(add_market(slug="other"), 100, "this")
    ann.bet(kettle, 100, "this")
    end(kettle, "that")
    settle(kettle)
    assert outcome(other) == ("pending", None)
    assert worth(ann) == (800, 100, -100, 200)
    assert_audit_passes()


@pytest.mark.parametrize("status", ["open", "closed"])
def test_a_market_that_is_not_over_pays_nothing(ann, kettle, status):
    ann.bet(kettle, 100)
    kettle.status = status
    kettle.save(update_fields=["status"])
    before = everything(ann)
    with pytest.raises(MarketNotOver):
        settle(kettle)
    assert everything(ann) == before


def test_a_market_that_is_unknown_is_named_so():
    with pytest.raises(MarketNotFound):
        settle(Market(pk=uuid4()))


def test_the_owner_sees_what_became_of_the_bet(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    end(kettle, "this")
    settle(kettle)
    shown = ann.show(bet)
    assert (shown["status"], shown["actualPayout"]) == ("won", Decimal("166.66"))
    assert shown["resolvedAt"]
