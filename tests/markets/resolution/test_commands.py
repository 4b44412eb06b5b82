"""`manage.py resolve_markets`, `close_market`, `resolve_market` and `void_market`: for the terminal, and with --json for programs."""

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.db.transactions import try_lock
from core.jobs.runs import last_run
from markets.models import Market
from markets.tasks import RESOLVE
from tests.concurrently import in_thread
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market, add_past
from tests.markets.resolution.factories import decisions, last, mirror, some, state

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def here(upstream) -> list[Market]:
    """One resolved, one closed without a result, one open, as upstream says."""
    won, stuck, running = some(upstream, 3)
    markets = [mirror(one) for one in (won, stuck, running)]
    won.resolve("this")
    stuck.close()
    return markets


def test_it_says_in_words_what_it_did_and_what_is_left_to_staff(here):
    words = run("resolve_markets").splitlines()
    assert words[0].startswith("3 asked, 1 closed, 1 resolved, 1 open, 0 waiting, 1 unknown")
    assert words[1:] == [f"For staff to decide: {here[1].pk}"]


def test_with_json_it_prints_one_line(here):
    line = run("resolve_markets", "--json")
    assert line.count("\n") == 1
    said = json.loads(line)
    assert said == {"success": True, "data": last_run(RESOLVE).result, "needStaff": [str(here[1].pk)]}
    assert said["data"] == {
        "asked": 3, "closed": 1, "resolved": 1, "open": 1, "waiting": 0, "unknown": 1, "unconfirmed": 0,
        "disagreement": 0, "held": 0, "failed": 0, "houseClosed": 0, "needStaff": 1, "changed": 0,
    }  # fmt: skip


def test_a_terminal_sees_a_progress_bar_and_a_pipe_does_not(here):
    screen = Terminal()
    call_command("resolve_markets", stdout=StringIO(), stderr=screen)
    assert "markets of 3" in screen.getvalue()
    quiet = Terminal()
    call_command("resolve_markets", "--json", stdout=StringIO(), stderr=quiet)
    assert quiet.getvalue() == ""


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_an_upstream_that_is_away_exits_with_one_and_says_why(upstream, here, arguments, capsys):
    upstream.faults.set("status", status=400)
    with pytest.raises(SystemExit) as stop:
        call_command("resolve_markets", *arguments)
    assert stop.value.code == 1
    said = capsys.readouterr()
    if arguments:
        assert json.loads(said.out)["code"] == "upstream_rejected"
    else:
        assert said.err.startswith("Failed: ")
    assert state(here[0]) == ("open", None)


@pytest.mark.django_db(transaction=True)
def test_a_run_under_way_exits_with_two(here, capsys):
    def meanwhile() -> int:
        with pytest.raises(SystemExit) as stop:
            call_command("resolve_markets", "--json")
        return stop.value.code

    with try_lock(f"job:{RESOLVE}") as held, ThreadPoolExecutor(1) as pool:
        assert held
        assert pool.submit(in_thread, meanwhile).result(10) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "resolution_running"
    assert state(here[0]) == ("open", None)


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "many"])
def test_a_limit_out_of_range_is_refused(upstream, limit):
    with pytest.raises(CommandError):
        run("resolve_markets", "--limit", limit)
    assert len(upstream.requests) == 0


def test_voiding_cancels_a_market_with_a_reason():
    market = add_market()
    words = run("void_market", str(market.pk), "--reason", "Asked twice.").splitlines()
    assert words[0] == "Cancelled: Will the kettle boil?"
    assert state(market) == ("cancelled", "invalid")
    assert (last(market).source, last(market).staff, last(market).reason) == ("staff", None, "Asked twice.")


def test_voiding_with_json_prints_one_line():
    market = add_market()
    said = json.loads(run("void_market", str(market.pk), "--reason", "Asked twice.", "--json"))
    shown = said["data"].pop("resolvedAt")
    named = {"marketId": str(market.pk), "status": "cancelled", "resolution": "invalid"}
    assert said["success"] is True
    assert said["data"].items() >= named.items()
    assert shown.endswith("Z")


@pytest.mark.parametrize(
    ("market", "reason", "code"),
    [
        (lambda: add_past("resolved"), "Asked twice.", "market_status_conflict"),
        (lambda: add_past("cancelled"), "Asked twice.", "market_status_conflict"),
        (add_market, "  ", "reason_required"),
        (Market, "Asked twice.", "market_not_found"),
    ],
)
def test_what_cannot_be_voided_exits_with_one(market, reason, code, capsys):
    one = market()
    with pytest.raises(SystemExit) as stop:
        call_command("void_market", str(one.pk), "--reason", reason, "--json")
    assert stop.value.code == 1
    assert json.loads(capsys.readouterr().out)["code"] == code
    assert decisions(one) == []


def test_voiding_without_a_reason_or_a_proper_id_is_refused():
    with pytest.raises(CommandError, match="--reason"):
        run("void_market", str(add_market().pk))
    with pytest.raises(CommandError):
        run("void_market", "first-one", "--reason", "Asked twice.")


def test_closing_and_resolving_tell_what_became_of_the_market():
    market = add_market()
    assert run("close_market", str(market.pk), "--reason", "Leaked.") == "Closed: Will the kettle boil?\n"
    assert state(market) == ("closed", None)
    said = json.loads(run("resolve_market", str(market.pk), "that", "--reason", "It was cold.", "--json"))
    assert (said["data"]["status"], said["data"]["resolution"]) == ("resolved", "that")
    assert decisions(market) == ["closed", "that"]
    assert [row.action for row in staff_actions().order_by("id")] == ["close_market", "resolve_market"]


def test_a_market_resolves_in_no_other_way_than_three(capsys):
    market = add_market()
    with pytest.raises(CommandError, match="outcome"):
        run("resolve_market", str(market.pk), "perhaps", "--reason", "Who knows.")
    with pytest.raises(SystemExit) as stop:
        call_command("close_market", str(add_past("resolved").pk), "--reason", "Late.")
    assert stop.value.code == 1
    assert "Failed: This market is resolved." in capsys.readouterr().err
    assert state(market) == ("open", None)
