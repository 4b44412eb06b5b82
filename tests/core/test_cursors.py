"""Cursors: what the list gave goes on, what it didn't give is refused."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from core.api.requests import decode_cursor, encode_cursor
from tests.core.conftest import assert_is_error

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1), max_size=5)


@given(parts)
def test_a_cursor_says_what_was_put_into_it(given_parts):
    cursor = encode_cursor(*given_parts)
    assert decode_cursor(cursor) == given_parts


@given(parts)
def test_a_cursor_needs_no_quoting_in_a_query(given_parts):
    assert set(encode_cursor(*given_parts)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def refused(cursor):
    with pytest.raises(ValidationError) as raised:
        decode_cursor(cursor)
    assert raised.value.get_codes() == {"cursor": "invalid_cursor"}


@given(st.text(max_size=40))
def test_text_that_no_list_gave_is_refused(text):
    assume(text != "W10")  # the cursor without parts
    refused(text)


@given(parts, st.text(min_size=1, max_size=3), st.integers(min_value=0))
def test_a_cursor_with_something_put_into_it_is_refused_or_another_cursor(given_parts, added, place):
    cursor = encode_cursor(*given_parts)
    place %= len(cursor) + 1
    changed = cursor[:place] + added + cursor[place:]
    try:
        decoded = decode_cursor(changed)
    except ValidationError:
        return
    assert encode_cursor(*decoded) == changed


@pytest.mark.parametrize(
    "cursor", ["", "W10=", "W10!", "e30", "bnVsbA", "W05hTl0", "é", "🎲", "\x00", "A" * 5_000, "W" * 5_001]
)
def test_a_cursor_that_is_no_list_or_written_another_way_is_refused(cursor):
    refused(cursor)


@pytest.mark.django_db
@pytest.mark.parametrize("cursor", ["x", "e30", "W10", "WzEsMl0", "%00", "%ff"])
def test_a_list_refuses_a_cursor_that_it_did_not_give(stranger, cursor):
    body = assert_is_error(stranger.get(f"/api/v1/markets?cursor={cursor}"), 400, "validation_error")
    assert [detail["field"] for detail in body["details"]] == ["cursor"]
