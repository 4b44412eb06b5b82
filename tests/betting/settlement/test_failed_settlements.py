"""A bet that the database refuses to settle is a failed settlement, seen by staff; all others are paid."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from betting import tasks
from betting.models import Settlement, SettlementFailure
from economy.ledger.audit import audit
from tests.betting.factories import execute
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, outcome, settle, worth

pytestmark = pytest.mark.django_db


def poison(player):
    """Make the locked credits less than the stake, so that settling would make them negative."""
    execute("UPDATE users SET locked_credits = 0 WHERE id = %s", player.id)


def cure(player, locked):
    execute("UPDATE users SET locked_credits = %s WHERE id = %s", locked, player.id)


def settle_by_command(market, *more):
    out = StringIO()
    try:
        call_command("settle_market", str(market.pk), "--json", *more, stdout=out)
    except SystemExit as exc:
        return exc.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


@pytest.mark.parametrize("size", [1, 7, 5_000])
def test_a_poisoned_bets_settlement_fails_and_all_others_are_paid(ann, kettle, size):
    add_users(20)
    place_many(kettle, 30)
    bet = ann.bet(kettle, 100, "this")
    poison(ann)
    end(kettle, "this")
    done = settle(kettle, size=size)
    assert (done.won, done.lost, done.failed) == (20, 10, 1)
    assert done.finished_at
    failure = SettlementFailure.objects.get()
    assert (str(failure.bet_id), failure.market_id) == (bet["id"], kettle.pk)
    assert "users_locked_not_negative" in failure.error
    assert outcome(bet) == ("pending", None)
    report = audit()
    assert [name for name, finding in report.findings.items() if finding.broken] == ["locked"]


def test_the_sweep_leaves_failed_settlements_to_staff(ann, kettle):
    ann.bet(kettle, 100)
    poison(ann)
    end(kettle)
    tasks.settle_markets()
    first = SettlementFailure.objects.values().get()
    tasks.settle_markets()
    assert SettlementFailure.objects.values().get() == first


def test_cured_and_retried_it_is_paid_once(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    poison(ann)
    end(kettle, "this")
    assert settle_by_command(kettle)[0] == 2
    cure(ann, 100)
    code, body = settle_by_command(kettle, "--retry")
    assert (code, body["data"]["settledNow"], body["data"]["setAside"]) == (0, 1, 0)
    assert outcome(bet)[0] == "won"
    assert worth(ann)[1] == 0
    assert audit().passed


def test_retried_uncured_it_fails_again(ann, kettle):
    ann.bet(kettle, 100, "this")
    poison(ann)
    end(kettle, "this")
    settle(kettle)
    assert settle(kettle, retry=True).failed == 1
    assert Settlement.objects.get().finished_at


def test_the_audit_notices_a_bet_that_was_left_over_by_hand(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    poison(ann)
    end(kettle, "this")
    settle(kettle)
    SettlementFailure.objects.all().delete()
    assert audit().findings["left_over"].examples == [bet["id"]]


def test_the_audit_notices_figures_that_were_changed_by_hand(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    settle(kettle)
    execute("UPDATE settlements SET paid = paid + 1")
    assert audit().findings["settlements"].examples == [str(kettle.pk)]


def test_the_audit_notices_an_outcome_unlike_the_markets(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    settle(kettle)
    end(kettle, "that")
    assert audit().findings["settlements"].examples == [str(kettle.pk)]


def test_the_command_counts_what_it_did(ann, kettle):
    ann.bet(kettle, 100, "this")
    ann.bet(kettle, 10, "that")
    end(kettle, "this")
    code, body = settle_by_command(kettle)
    assert (code, body["success"]) == (0, True)
    assert body["data"] == {
        "settledNow": 2,
        "resolution": "this",
        "generation": 0,
        "won": 1,
        "lost": 1,
        "cancelled": 0,
        "paid": 166.66,
        "refunded": 0,
        "setAside": 0,
    }
    assert settle_by_command(kettle)[1]["data"]["settledNow"] == 0


def test_the_command_says_in_words_what_it_did(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "invalid")
    out = StringIO()
    call_command("settle_market", str(kettle.pk), stdout=out)
    assert out.getvalue() == ("1 bets settled now. In all: 0 won 0.00, 0 lost, 1 got 100.00 back, 0 failed.\n")


def test_the_command_refuses_a_market_that_is_not_over(kettle):
    code, body = settle_by_command(kettle)
    assert (code, body["code"]) == (1, "market_not_over")
