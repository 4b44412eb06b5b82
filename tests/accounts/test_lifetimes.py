"""How lengths of time are written in settings."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.environment import env, parse_duration
from tests.core.service_process import PRODUCTION, run


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        ("15m", timedelta(minutes=15)),
        ("90s", timedelta(seconds=90)),
        (" 900 ", timedelta(minutes=15)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_a_time_is_a_number_and_a_unit_or_seconds(text, length):
    assert parse_duration(text, name="X") == length


@pytest.mark.parametrize("text", ["", "0", "0d", "-5m", "7 d", "7days", "1.5h", "m", "999999999d", "\u0663d"])
def test_anything_else_is_refused_with_the_name_of_the_setting(text):
    with pytest.raises(ImproperlyConfigured, match="SOME_NAME"):
        parse_duration(text, name="SOME_NAME")


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("7", 7), (" 30 ", 30), ("3650", 3650)])
def test_days_are_a_whole_number(monkeypatch, text, length):
    monkeypatch.setenv("SOME_NAME", text)
    assert env.days("SOME_NAME", default=1) == timedelta(days=length)


@pytest.mark.parametrize("text", ["", "-1", "7d", "1.5", "3651", "\u0663"])
def test_any_other_number_of_days_is_refused_with_the_name_of_the_setting(monkeypatch, text):
    monkeypatch.setenv("SOME_NAME", text)
    with pytest.raises(ImproperlyConfigured, match="SOME_NAME"):
        env.days("SOME_NAME", default=1)


@pytest.mark.parametrize("name", ["JWT_ACCESS_EXPIRES_IN", "JWT_REFRESH_EXPIRES_IN"])
def test_a_lifetime_that_makes_no_sense_stops_the_start_with_its_name(name):
    ended = run(["manage.py", "check"], PRODUCTION | {name: "for ever"})
    assert ended.returncode != 0
    assert name in ended.stderr.splitlines()[-1]
