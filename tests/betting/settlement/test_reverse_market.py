"""`manage.py reverse_market`: as text, and with --json for programs."""

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from betting.models import Settlement
from tests.betting.factories import assert_audit_passes, everything
from tests.betting.settlement.factories import end, outcome, settle, worth
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db


def run(*arguments):
    """The exit code, and what it said."""
    out, err = StringIO(), StringIO()
    try:
        call_command("reverse_market", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as exc:
        return exc.code, out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


@pytest.fixture
def spent(ann, new_player, kettle):
    """Ann won 500 with 300, and has spent all but 200 of what she has; bob lost 100."""
    bet = ann.bet(kettle, 300)
    new_player("bob").bet(kettle, 100, "that")
    end(kettle)
    settle(kettle)
    ann.bet(add_market(slug="other"), 1000)
    return bet


def test_it_counts_what_it_undid(spent, ann, kettle):
    code, said = run(kettle.pk, "--reason", "The other one.", "--json")
    assert (code, json.loads(said)) == (
        0,
        {"success": True, "data": {"bets": 2, "users": 2, "taken": 500, "debt": 300}},
    )
    assert outcome(spent) == ("pending", None)
    assert worth(ann)[0] == 0
    assert_audit_passes()


def test_it_says_in_words_what_it_undid(spent, kettle):
    words = "2 bets of 2 users are open again; 500.00 were taken back, 300.00 of it is owed now.\n"
    assert run(kettle.pk, "--reason", "The other one.") == (0, words)


def test_reversal_from_the_command_line_is_recorded_without_a_user_with_the_reason(spent, kettle):
    run(kettle.pk, "--reason", "The other one.")
    kept = staff_actions().get()
    assert (kept.staff, kept.ip, kept.action, kept.reason) == (None, None, "reverse_market", "The other one.")
    row = Settlement.objects.get()
    assert (row.reversed_by, row.reversal_reason) == (None, "The other one.")
    assert row.reversed_at


def test_a_preview_says_from_whom_it_would_take_and_takes_nothing(spent, ann, kettle):
    before = everything(ann)
    code, said = run(kettle.pk, "--preview")
    assert (code, said.splitlines()) == (
        0,
        [
            "2 bets of 2 users: 500.00 would be taken back, 300.00 of it owed by 1 who haven't got it any more.",
            "ann: 500.00, of which owed 300.00",
        ],
    )
    code, said = run(kettle.pk, "--preview", "--json")
    ann_owes = {"userId": str(ann.id), "username": "ann", "bets": 1, "taken": 500, "available": 200, "debt": 300}
    figures = {"bets": 2, "users": 2, "taken": 500, "debt": 300, "debtors": 1, "takings": [ann_owes]}
    assert (code, json.loads(said)) == (0, {"success": True, "data": figures})
    assert everything(ann) == before


def test_it_refuses_what_is_not_over_or_not_there(ann, kettle):
    ann.bet(kettle)
    before = everything(ann)
    for market_id, refusal in ((kettle.pk, "market_not_over"), (uuid4(), "market_not_found")):
        code, said = run(market_id, "--reason", "Wrong.", "--json")
        assert (code, json.loads(said)["success"], json.loads(said)["code"]) == (1, False, refusal)
    code, said = run(kettle.pk, "--reason", "Wrong.")
    assert (code, said[:8]) == (1, "Failed: ")
    assert everything(ann) == before


def test_it_wants_a_reason(spent, ann, kettle):
    before = everything(ann)
    for arguments in ((), ("--reason", " ")):
        with pytest.raises(CommandError):
            run(kettle.pk, *arguments)
    code, said = run(kettle.pk, "--reason", "x" * 501, "--json")
    assert (code, json.loads(said)["code"]) == (1, "reason_too_long")
    assert everything(ann) == before
