"""`manage.py ingest_markets`: for the terminal, and with --json for programs."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.jobs.runs import last_run
from markets.models import Market
from markets.tasks import INGEST

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("ingest_markets", *arguments, stdout=output, stderr=output)
    return output.getvalue()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_it_says_in_words_what_it_did(upstream):
    good = len(upstream.world.good_markets())
    words = run()
    assert words.startswith(f"{last_run(INGEST).result['total']} total, {good} created, 0 updated, ")
    assert words.count("\n") == 1


def test_with_json_it_prints_one_line(upstream):
    line = run("--json", "--limit", "5")
    assert line.count("\n") == 1
    said = json.loads(line)
    assert said["success"] is True
    assert said["data"] | {"total": 0, "skipped": 0, "reasons": {}} == {
        "total": 0, "created": 5, "updated": 0, "skipped": 0, "errors": 0, "unchanged": 0, "reasons": {},
        "coalesced": False,
    }  # fmt: skip


def test_a_terminal_sees_a_progress_bar_and_a_pipe_does_not(upstream):
    screen = Terminal()
    call_command("ingest_markets", stdout=StringIO(), stderr=screen)
    assert "#" in screen.getvalue()
    assert "markets of" in screen.getvalue()
    quiet = Terminal()
    call_command("ingest_markets", "--json", "--force", stdout=StringIO(), stderr=quiet)
    assert quiet.getvalue() == ""


@pytest.mark.parametrize("written", ["culture", "Culture"])
def test_a_category_is_taken_in_any_case(upstream, written):
    run("--category", written)
    assert set(Market.objects.values_list("category", flat=True)) == {"culture"}
    assert {call.query["tag_slug"][0] for call in upstream.requests.to("/events/keyset")} == {"pop-culture"}


def test_within_a_minute_the_last_result_is_given_again_unless_forced(upstream):
    run()
    upstream.requests.clear()
    assert json.loads(run("--json"))["data"]["coalesced"] is True
    assert len(upstream.requests) == 0
    assert json.loads(run("--json", "--force"))["data"]["coalesced"] is False
    assert len(upstream.requests) > 0


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_failure_exits_with_one_and_says_why(upstream, arguments, capsys):
    upstream.faults.set("status", status=400)
    with pytest.raises(SystemExit) as stop:
        call_command("ingest_markets", *arguments)
    assert stop.value.code == 1
    said = capsys.readouterr()
    if arguments:
        assert json.loads(said.out)["code"] == "upstream_unavailable"
        assert json.loads(said.out)["success"] is False
    else:
        assert said.err.startswith("Failed: ")
    assert Market.objects.count() == 0


@pytest.mark.parametrize("limit", ["0", "-1", "50001", "many"])
def test_a_limit_out_of_range_is_refused(upstream, limit):
    with pytest.raises(CommandError):
        run("--limit", limit)
    assert len(upstream.requests) == 0
