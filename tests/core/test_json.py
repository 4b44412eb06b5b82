"""Responses as JSON: exact numbers, times in UTC with milliseconds and `Z`."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.json import dumps


def exact(text):
    """JSON as it stands on the wire: numbers keep their letters."""
    return json.loads(text, parse_float=str, parse_int=str)


@pytest.mark.usefixtures("test_views")
def test_a_response_has_exact_numbers_utc_times_and_plain_ids(stranger):
    response = stranger.get("/tests/values")
    assert response["Content-Type"] == "application/json"
    assert exact(response.content) == {
        "credits": "66.60",
        "odds": "0.5000",
        "many": "1000",
        "sum": "0.3",
        "moment": "2026-01-02T03:04:05.678Z",
        "day": "2026-01-02",
        "id": "01890000-0000-7000-8000-000000000000",
        "lazy": "later",
        "set": ["one"],
        "name": "café 🎲",
        "1": None,
    }


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_a_decimal_leaves_as_a_number_with_its_stored_decimals(value):
    assert exact(dumps({"value": value})) == {"value": f"{value:f}"}


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_is_read_back_exactly(value):
    assert json.loads(dumps([value]), parse_float=Decimal, parse_int=Decimal) == [value]


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), object()])
def test_what_json_cannot_say_is_refused_rather_than_written_wrong(value):
    with pytest.raises(TypeError):
        dumps({"value": value})


zones = st.integers(min_value=-14 * 60, max_value=14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=zones))  # noqa: DTZ001
def test_a_time_of_any_zone_leaves_in_utc_with_milliseconds(moment):
    text = json.loads(dumps(moment))
    assert len(text) == len("2026-11-22T19:21:41.123Z")
    assert text.endswith("Z")
    read = datetime.fromisoformat(text)
    assert read.utcoffset() == timedelta(0)
    assert timedelta(0) <= moment.astimezone(UTC) - read < timedelta(milliseconds=1)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_back_as_it_was(text):
    assert json.loads(dumps(text)) == text
