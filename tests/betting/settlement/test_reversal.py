"""A market that was resolved wrongly: what was paid is taken back, and it is settled the other way."""

from decimal import Decimal
from itertools import count
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.errors import NotAllowed, ReasonMissing, ReasonTooLong
from accounts.staff import StaffMember
from betting.errors import MarketNotFound, MarketNotOver
from betting.models import Settlement
from betting.reversal import preview_reversal, reverse_settlement
from economy.models import Debt
from tests.betting.factories import assert_audit_passes, everything
from tests.betting.settlement.factories import end, figures, move_odds, outcome, settle, worth
from tests.economy.factories import give, staff_actions
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(new_player):
    return new_player("bob")


@pytest.fixture
def staff(new_player):
    return StaffMember(new_player("judge", is_staff=True, is_superuser=True).user, "192.0.2.7")


def undo(market, staff, reason="The other one won."):
    return reverse_settlement(market_id=market.pk, by=staff, reason=reason, now=timezone.now())


def debt(player):
    return sum(row.lent - row.repaid for row in Debt.objects.filter(user_id=player.id))


def test_undone_everybody_stands_as_before_the_settlement(ann, bob, kettle, staff):
    bets = [ann.bet(kettle, 100, "this"), bob.bet(kettle, 100, "that"), bob.bet(kettle, 10, "this")]
    before = [worth(ann), worth(bob)]
    end(kettle, "this")
    settle(kettle)
    done = undo(kettle, staff)
    assert (done.bets, done.users, done.taken, done.debt) == (3, 2, Decimal("183.32"), 0)
    assert [worth(ann), worth(bob)] == before
    assert [outcome(bet) for bet in bets] == [("pending", None)] * 3
    assert ann.ledger_entries()[-1] == ("settlement_reversal", Decimal("-166.66"), Decimal(900))
    kettle.refresh_from_db()
    assert (kettle.status, kettle.resolution) == ("closed", None)
    assert_audit_passes()


def test_settled_the_other_way_afterwards_the_right_ones_are_paid(ann, bob, kettle, staff):
    bets = [ann.bet(kettle, 100, "this"), bob.bet(kettle, 100, "that")]
    end(kettle, "this")
    settle(kettle)
    undo(kettle, staff)
    end(kettle, "that")
    done = settle(kettle)
    assert (done.generation, *figures(done)) == (1, 1, 1, 0, 250, 0)
    assert [outcome(bet) for bet in bets] == [("lost", 0), ("won", 250)]
    assert (worth(ann), worth(bob)) == ((900, 0, -100, 100), (1150, 0, 150, 100))
    assert_audit_passes()


def test_it_can_be_undone_more_than_once(ann, bob, kettle, staff):
    ann.bet(kettle, 100, "this")
    bob.bet(kettle, 100, "that")
    for resolution in ("this", "invalid", "that", "this"):
        end(kettle, resolution)
        settle(kettle)
        assert_audit_passes()
        undo(kettle, staff)
        assert_audit_passes()
    end(kettle, "invalid", status="cancelled")
    settle(kettle)
    assert (worth(ann), worth(bob)) == ((1000, 0, 0, 100), (1000, 0, 0, 100))
    assert list(Settlement.objects.order_by("generation").values_list("generation", flat=True)) == [0, 1, 2, 3, 4]
    assert_audit_passes()


def test_a_refund_is_undone_too(ann, kettle, staff):
    bet = ann.bet(kettle, 100, "this")
    move_odds(kettle, "0.3000")
    ann.sell(bet, "40")
    before = worth(ann)
    end(kettle, "invalid", status="cancelled")
    settle(kettle)
    undo(kettle, staff)
    assert worth(ann) == before
    assert_audit_passes()


def test_a_bet_that_was_sold_stays_sold(ann, kettle, staff):
    bet = ann.bet(kettle, 100, "this")
    ann.sell(bet)
    end(kettle, "this")
    settle(kettle)
    before = everything(ann)
    undo(kettle, staff)
    assert everything(ann) == before
    assert_audit_passes()


def test_of_a_bet_that_was_sold_in_part_only_the_rest_is_at_risk_again(ann, kettle, staff):
    bet = ann.bet(kettle, 100, "this")
    ann.sell(bet, "40")
    before = worth(ann)
    end(kettle, "this")
    settle(kettle)
    undo(kettle, staff)
    assert worth(ann) == before
    assert before[1] == 60
    assert_audit_passes()


def test_winners_who_spent_their_payout_owe_the_rest_and_repay_it_from_later_credits(ann, bob, kettle, staff):
    ann.bet(kettle, 500, "this")
    bob.bet(kettle, 500, "that")
    end(kettle, "this")
    settle(kettle)  # 833.33 to ann, who has 1,333.33 now
    other = add_market(slug="other")
    spent = ann.bet(other, "1233.33", "that")
    undo(kettle, staff)
    assert worth(ann)[:2] == (0, Decimal("1733.33"))
    assert debt(ann) == Decimal("733.33")
    assert ann.ledger_entries()[-2:] == [
        ("settlement_reversal", Decimal("733.33"), Decimal("833.33")),
        ("settlement_reversal", Decimal("-833.33"), Decimal(0)),
    ]
    assert_audit_passes()

    end(kettle, "that")
    settle(kettle)
    assert (worth(bob)[0], debt(ann)) == (1750, Decimal("733.33"))
    give(ann.user, 33)
    assert (worth(ann)[0], debt(ann)) == (0, Decimal("700.33"))
    sold = ann.sell(spent, "1000")
    assert (sold["creditsReturned"], sold["newBalance"]) == (1000, Decimal("299.67"))
    assert (worth(ann)[0], debt(ann)) == (Decimal("299.67"), 0)
    assert_audit_passes()


def test_a_debt_is_paid_from_the_winnings_of_the_same_market_when_it_settles_again(ann, kettle, staff):
    ann.bet(kettle, 500, "this")
    end(kettle, "this")
    settle(kettle)
    ann.bet(add_market(slug="other"), "1333.33", "that")
    undo(kettle, staff)
    assert (worth(ann)[0], debt(ann)) == (0, Decimal("833.33"))
    end(kettle, "this")
    settle(kettle)
    assert (worth(ann)[0], debt(ann)) == (0, 0)
    undo(kettle, staff)
    assert debt(ann) == Decimal("833.33")
    assert_audit_passes()


def test_several_bets_of_one_user_are_lent_for_only_as_far_as_needed(ann, kettle, staff):
    for amount in (100, 200, 300):
        ann.bet(kettle, amount, "that")  # pay 250, 500, 750
    end(kettle, "that")
    settle(kettle)  # 1,900
    ann.bet(add_market(slug="other"), 1500, "this")
    preview = preview_reversal(market_id=kettle.pk)
    undo(kettle, staff)
    assert (worth(ann)[0], debt(ann)) == (0, 1100)
    assert sorted(Debt.objects.values_list("lent", flat=True)) == [350, 750]
    assert (preview.debt, preview.debtors) == (1100, 1)
    assert_audit_passes()


def test_staff_see_whom_it_takes_from_before_they_confirm(ann, bob, new_player, kettle, staff):
    eve = new_player("eve")
    for player, side in ((ann, "this"), (bob, "this"), (eve, "that")):
        player.bet(kettle, 300, side)
    end(kettle, "this")
    settle(kettle)
    bob.bet(add_market(slug="other"), 1000, "this")
    before = everything(ann, bob, eve)
    preview = preview_reversal(market_id=kettle.pk)
    assert everything(ann, bob, eve) == before
    assert (preview.bets, preview.users, preview.taken, preview.debt, preview.debtors) == (3, 3, 1000, 300, 1)
    assert [row[1:] for row in preview.takings] == [("bob", 1, 500, 200, 300), ("ann", 1, 500, 1200, 0)]


def test_reversing_a_settlement_that_was_stopped_midway_takes_back_what_was_paid(ann, bob, kettle, staff):
    ann.bet(kettle, 100, "this")
    bob.bet(kettle, 100, "this")
    end(kettle, "this")

    class Stopped(Exception):
        pass

    def stop(settled):
        raise Stopped

    with pytest.raises(Stopped):
        settle(kettle, size=1, progress=stop)
    undo(kettle, staff)
    assert (worth(ann), worth(bob)) == ((900, 100, 0, 100), (900, 100, 0, 100))
    assert_audit_passes()


def test_undone_and_resolved_anew_between_two_batches_every_bet_is_settled_anew(ann, kettle, staff):
    for _ in range(5):
        ann.bet(kettle, 10, "this")
    end(kettle, "this")
    batches = count()

    def undo_after_the_second(settled):
        if next(batches) == 1:
            undo(kettle, staff)
            end(kettle, "that")

    done = settle(kettle, size=2, progress=undo_after_the_second)
    assert (done.generation, *figures(done)) == (1, 0, 5, 0, 0, 0)
    assert done.finished_at
    assert_audit_passes()


def test_it_is_kept_who_undid_it_and_why_with_what_it_did(ann, kettle, staff):
    ann.bet(kettle, 300)
    end(kettle)
    settle(kettle)
    ann.bet(add_market(slug="other"), 1000)
    undo(kettle, staff, " A typo. ")
    row = Settlement.objects.get()
    assert (row.reversed_by, row.reversal_reason, row.won) == (staff.user, "A typo.", 1)
    assert row.reversed_at
    kept = staff_actions().get()
    assert (kept.staff, kept.ip, kept.action, kept.reason) == (staff.user, "192.0.2.7", "reverse_market", "A typo.")
    assert (kept.target_type, kept.target_id) == ("markets.market", str(kettle.pk))
    assert kept.before == {"status": "resolved", "resolution": "this"}
    state = {"status": "closed", "resolution": None}
    assert kept.after == state | {"bets": 1, "users": 1, "taken": "500.00", "debt": "300.00"}


def refused(error, player, market, **fields):
    before = everything(player)
    with pytest.raises(error):
        reverse_settlement(**{"market_id": market.pk, "reason": "Wrong.", "now": timezone.now(), **fields})
    assert everything(player) == before


def test_reversal_needs_the_permission_a_reason_and_a_market_that_is_over(ann, new_player, kettle, staff):
    ann.bet(kettle, 100)
    refused(MarketNotOver, ann, kettle, by=staff)
    refused(MarketNotFound, ann, kettle, by=staff, market_id=uuid4())
    end(kettle)
    settle(kettle)
    refused(NotAllowed, ann, kettle, by=StaffMember(ann.user))
    refused(NotAllowed, ann, kettle, by=StaffMember(new_player("clerk", is_staff=True).user))
    refused(ReasonMissing, ann, kettle, by=staff, reason=" ")
    refused(ReasonTooLong, ann, kettle, by=staff, reason="x" * 501)
    assert not staff_actions().exists()
    undo(kettle, staff)
    refused(MarketNotOver, ann, kettle, by=staff)
    assert staff_actions().count() == 1
