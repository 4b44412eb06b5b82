"""`manage.py settle_market`, `void_market` and `resolve_market`: what they pay, counted, and a progress bar meanwhile."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from tests.betting.factories import assert_audit_passes
from tests.betting.settlement.factories import close, end, outcome, worth
from tests.betting.settlement.test_failed_settlements import poison
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db
COMMANDS = {
    "settle_market": [],
    "void_market": ["--reason", "Asked twice."],
    "resolve_market": ["this", "--reason", "It boiled."],
}


class Terminal(StringIO):
    def isatty(self):
        return True


def run(command, market, *more, err=None):
    out = StringIO()
    try:
        call_command(command, str(market.pk), *COMMANDS[command], *more, stdout=out, stderr=err or StringIO())
    except SystemExit as exc:
        return exc.code, out.getvalue()
    return 0, out.getvalue()


def ready(command, market):
    """As the command wants it: over, or still to be decided."""
    if command == "settle_market":
        end(market, "this")


@pytest.fixture
def stakes(ann, new_player, kettle):
    bets = [ann.bet(kettle, 100, "this"), new_player("bob").bet(kettle, 60, "that")]
    close(kettle)
    return bets


def test_voiding_gives_the_stakes_back_and_counts_them(ann, stakes, kettle):
    code, said = run("void_market", kettle, "--json")
    assert code == 0
    data = json.loads(said)["data"]
    assert (data["status"], data["settledNow"], data["cancelled"], data["refunded"]) == ("cancelled", 2, 2, 160)
    assert (data["paid"], data["setAside"]) == (0, 0)
    assert [outcome(bet) for bet in stakes] == [("cancelled", 100), ("cancelled", 60)]
    assert worth(ann) == (1000, 0, 0, 100)
    assert_audit_passes()


def test_resolving_pays_and_says_in_words_what(ann, stakes, kettle):
    code, said = run("resolve_market", kettle)
    assert (code, said.splitlines()) == (
        0,
        [
            "Resolved: Will the kettle boil?",
            "2 bets settled now. In all: 1 won 166.66, 1 lost, 0 got 0.00 back, 0 failed.",
        ],
    )
    assert_audit_passes()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_sees_a_progress_bar_and_programs_do_not(stakes, kettle, command):
    ready(command, kettle)
    screen = Terminal()
    assert run(command, kettle, err=screen)[0] == 0
    assert screen.getvalue() == f"\r[{'#' * 30}] 2 of 2 bets"
    other = add_market(slug="other")
    ready(command, other)
    screen = Terminal()
    assert run(command, other, "--json", err=screen)[0] == 0
    assert screen.getvalue() == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_failed_settlements_are_counted_and_told_by_the_exit_code(ann, stakes, kettle, command):
    poison(ann)
    ready(command, kettle)
    code, said = run(command, kettle, "--json")
    assert (code, json.loads(said)["data"]["setAside"], json.loads(said)["data"]["settledNow"]) == (2, 1, 1)


@pytest.mark.parametrize("command", [*COMMANDS, "reverse_market", "resolve_markets"])
def test_each_says_what_it_does_when_it_fails_and_how_to_read_it_by_program(command, capsys):
    with pytest.raises(SystemExit) as stop:
        call_command(command, "--help")
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "--json" in said
    assert "Exits 1" in " ".join(said.split())
