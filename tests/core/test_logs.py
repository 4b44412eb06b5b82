"""Log lines: JSON objects in production whatever is in them, readable words in development."""

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from core.events import log_event, short
from core.logging import JsonFormatter
from tests.core.service_process import PRODUCTION, run


def line_of(message, *args, **extra):
    record = logging.getLogger("some.place").makeRecord(
        "some.place", logging.INFO, "f", 1, message, args, None, extra=extra
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_has_a_time_a_level_a_logger_and_a_message():
    line = line_of("%d markets", 3)
    assert line["message"] == "3 markets"
    assert line["level"] == "INFO"
    assert line["logger"] == "some.place"
    assert line["time"].endswith("Z")
    assert "requestId" not in line


def test_what_is_added_to_a_line_keeps_its_type_where_json_has_one():
    extra = {"total": 3, "odds": Decimal("0.25"), "at": datetime(2026, 1, 2, tzinfo=UTC), "names": ["a"]}
    line = line_of("done", **extra)
    assert {name: line[name] for name in extra} == {
        "total": 3,
        "odds": "0.25",
        "at": "2026-01-02T00:00:00Z",
        "names": ["a"],
    }


def test_what_is_added_to_a_line_cannot_pose_as_its_level_or_time():
    line = line_of("done", level="NONE", time="never", logger="nobody")
    assert (line["level"], line["logger"]) == ("INFO", "some.place")
    assert line["time"] != "never"


@pytest.mark.parametrize("odd", [2**70, "\ud800", {"\ud800": 1}, {(1, 2): 3}, object(), b"\xff", float("nan")])
def test_no_value_keeps_a_line_from_being_written(odd):
    assert line_of("odd", value=odd)["message"] == "odd"


@given(st.text())
def test_no_message_keeps_a_line_from_being_written(text):
    assert "message" in line_of("%s", text)


def test_an_exception_is_in_the_line_with_its_stack():
    try:
        int("two\nlines")
    except ValueError:
        record = logging.LogRecord("here", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith(r"'two\nlines'")


SAY = """
import logging, django
django.setup()
logging.getLogger("django.request").warning("from Django")
logging.getLogger("markets").info("from us", extra={"total": 3})
logging.getLogger("markets").debug("details")
"""


def said(**environment):
    ended = run(["-c", SAY], PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings"} | environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_production_writes_each_line_once_as_json_to_standard_error():
    lines = [json.loads(line) for line in said()]
    assert [(line["message"], line["level"]) for line in lines] == [("from Django", "WARNING"), ("from us", "INFO")]
    assert lines[1]["total"] == 3


def test_development_writes_words():
    lines = said(DEBUG="true", LOG_LEVEL="debug")
    ours = [line for line in lines if "markets [" in line]
    assert [line.endswith(end) for line, end in zip(ours, ("from us", "details"), strict=True)] == [True, True]
    assert not any(line.startswith("{") for line in lines)


def test_the_level_can_be_chosen():
    assert [json.loads(line)["message"] for line in said(LOG_LEVEL="warning")] == ["from Django"]


SAY_BOTH = """
import logging, django
django.setup()
logging.getLogger("celery.app.trace").info("machinery")
logging.getLogger("celery.app.trace").error("a job failed")
from core.events import log_event, short
log_event("a user placed %s on %s", 100, short("Will it rain?"), userId=7)
"""


def said_both(**environment):
    ended = run(["-c", SAY_BOTH], PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings"} | environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr.splitlines()


def test_development_tells_what_happens_and_not_which_job_ran():
    failure, event = said_both(DEBUG="true")
    assert failure.endswith("a job failed")
    assert event.endswith("events [-] a user placed 100 on 'Will it rain?'")
    assert len(said_both(DEBUG="true", LOG_JOBS="true")) == 3
    assert any(line.endswith("machinery") for line in said_both(DEBUG="true", LOG_LEVEL="DEBUG"))


def test_production_logs_all_of_it_with_the_ids():
    lines = [json.loads(line) for line in said_both()]
    assert [line["message"] for line in lines][:2] == ["machinery", "a job failed"]
    assert (lines[2]["logger"], lines[2]["userId"]) == ("events", 7)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_told_when_it_is_committed_and_never_when_it_is_not(caplog):
    caplog.set_level(logging.INFO, "events")
    with transaction.atomic():
        log_event("kept")
        assert not caplog.messages
    with suppress(ZeroDivisionError), transaction.atomic():
        log_event("undone")
        raise ZeroDivisionError
    assert caplog.messages == ["kept"]


def test_a_long_title_is_cut():
    assert short("x" * 100) == f"'{'x' * 59}…'"
