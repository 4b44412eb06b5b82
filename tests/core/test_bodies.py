"""Request bodies: JSON, and every kind of malformed input."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework_simplejwt.tokens import AccessToken

from core.rules import MAX_BODY_BYTES
from tests.core.conftest import assert_is_error
from thisthat.wsgi import application

pytestmark = pytest.mark.usefixtures("test_views")


def post(client, body, content_type="application/json", path="/tests/echo"):
    return client.generic("POST", path, body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"{'amount': 1}",
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": 1e999}',
        b'{"a": 1} trailing',
        b" ",
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 20_000,
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 10_000,
    ],
)
def test_a_body_that_is_not_json_is_refused(stranger, body):
    assert_is_error(post(stranger, body), 400, "parse_error")


@pytest.mark.parametrize("body", [b"[]", b"[1, 2]", b"null", b"true", b"3", b'"text"', b"[{}]"])
def test_json_of_the_wrong_type_is_a_validation_error(stranger, body):
    details = assert_is_error(post(stranger, body, path="/tests/order"), 400, "validation_error")["details"]
    assert [detail["field"] for detail in details] == [""]


def test_an_empty_body_is_one_without_fields(stranger):
    details = assert_is_error(post(stranger, b"", path="/tests/order"), 400, "validation_error")["details"]
    assert details == [{"field": "amount", "message": "This field is required.", "code": "required"}]


@pytest.mark.parametrize(
    "amount", ["1" + "0" * 400, "-1" + "0" * 400, "1e300", "18446744073709551616", "0." + "1" * 400]
)
def test_a_number_beyond_all_reason_is_a_validation_error(stranger, amount):
    response = post(stranger, f'{{"amount": {amount}}}', path="/tests/order")
    if response.json()["code"] == "parse_error":  # too large for any number at all
        assert_is_error(response, 400, "parse_error")
    else:
        assert_is_error(response, 400, "validation_error")


def test_a_body_of_the_largest_size_is_read(stranger):
    body = json.dumps({"a": "x" * (MAX_BODY_BYTES - 9)})
    assert len(body) == MAX_BODY_BYTES
    assert post(stranger, body).json()["got"] == json.loads(body)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 5_000_000])
def test_a_body_that_is_too_large_is_refused(stranger, size):
    assert_is_error(post(stranger, b" " * size), 413, "payload_too_large")


def test_a_body_that_breaks_off_is_a_bad_request(stranger, caplog):
    class Broken(io.BytesIO):
        def read(self, *_size):
            raise OSError("the client hung up")

    response = stranger.post(
        "/tests/echo", content_type="application/json", **{"wsgi.input": Broken(), "CONTENT_LENGTH": "5"}
    )
    assert_is_error(response, 400, "bad_request")
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x", ""],
)
def test_another_media_type_is_refused(stranger, content_type):
    assert_is_error(post(stranger, b"a=1", content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]
)
def test_json_is_read_however_its_media_type_is_written(stranger, content_type):
    assert post(stranger, b'{"a": "\xc3\xa9"}', content_type=content_type).json()["got"] == {"a": "é"}


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "image/*;q=0.1"])
def test_json_is_answered_whatever_the_client_accepts(stranger, accept):
    response = stranger.get("/api/hello", headers={"Accept": accept})
    assert response["Content-Type"] == "application/json"
    assert "message" in response.json()


# Whole numbers past 64 bits aren't exact in JSON as most clients read it.
integers = st.integers(min_value=-(2**63), max_value=2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_what_is_sent_comes_back_the_same(value):
    from django.test import Client

    response = post(Client(), json.dumps(value))
    assert response.json()["got"] == value


@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_at_all_make_the_service_fail(body):
    from django.test import Client

    assert post(Client(), body, path="/tests/order").status_code == 400


def details_of(client, **order):
    body = assert_is_error(post(client, json.dumps(order), path="/tests/order"), 400, "validation_error")
    return {detail["field"]: detail["code"] for detail in body["details"]}


def test_each_wrong_field_has_an_entry(stranger):
    assert details_of(stranger, amount=5, message="", tags="x") == {
        "amount": "min_value",
        "message": "blank",
        "tags": "not_a_list",
    }


def test_the_sentence_names_the_first_wrong_field(stranger):
    body = post(stranger, b'{"amount": 5}', path="/tests/order").json()
    assert body["error"] == "amount: Ensure this value is greater than or equal to 10."


def test_a_field_inside_another_is_named_with_dots(stranger):
    assert details_of(stranger, amount=10, owner={"name": "too long"}) == {"owner.name": "max_length"}


def test_a_field_of_an_item_is_named_with_its_place(stranger):
    assert details_of(stranger, amount=10, lines=[{"shares": 1}, {"shares": 0}]) == {"lines.1.shares": "min_value"}


def test_an_item_of_a_list_is_named_with_its_place(stranger):
    assert details_of(stranger, amount=10, tags=["ok", "ok", "wrong"]) == {"tags.2": "max_length"}


def test_fields_may_be_called_message_and_code(stranger):
    assert details_of(stranger, amount=10, message="", code="") == {"message": "blank", "code": "blank"}


def test_an_error_of_the_whole_body_has_no_field(stranger):
    assert details_of(stranger, amount=10, code="together") == {"": "not_together"}
    assert (
        post(stranger, b'{"amount": 10, "code": "together"}', path="/tests/order").json()["error"]
        == "These don't go together."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b'{"limit": 0}', "validation_error"),
        (b"nonsense", "parse_error"),
        (b" " * (MAX_BODY_BYTES + 1), "payload_too_large"),
    ],
)
def test_a_body_without_a_length_is_read(client, sent, code):
    """As web servers hand over a chunked one: Django alone would take it for empty."""
    environ = client._base_environ(
        PATH_INFO="/api/v1/markets/ingest",
        REQUEST_METHOD="POST",
        CONTENT_TYPE="application/json",
        HTTP_TRANSFER_ENCODING="chunked",
        **{"wsgi.input": io.BytesIO(sent)},
    )
    environ.pop("CONTENT_LENGTH", None)
    body = b"".join(application(environ, lambda _status, _headers: None))
    assert json.loads(body)["code"] == code


def nested(depth, *, inside=b"1"):
    return b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + inside + b"]" * (depth % 2) + b"]}" * (depth // 2)


JSON_PATHS = (
    "/api/v1/bets",
    "/api/v1/bets/quote",
    "/api/v1/auth/signup",
    "/api/v1/auth/login",
    "/api/v1/markets/ingest",
    "/api/v1/economy/buy",
    "/api/v1/purchases",
)


@pytest.mark.django_db
@pytest.mark.parametrize("depth", [65, 250, 260, 500, 990, 1_010, 1_500, 5_000])
def test_json_nested_deeper_than_64_levels_is_refused_by_every_endpoint(stranger, user, depth):
    bearer = {"Authorization": f"Bearer {AccessToken.for_user(user)}"}
    for path in JSON_PATHS:
        for body in (nested(depth), b'{"amount": ' + nested(depth - 1) + b', "marketId": "x"}'):
            response = stranger.generic("POST", path, body, content_type="application/json", headers=bearer)
            assert_is_error(response, 400, "parse_error")


@pytest.mark.parametrize("body", [nested(64), nested(3, inside=b'"' + b"[{" * 400 + b'\\"' + b"]" * 30 + b'"')])
def test_64_levels_and_brackets_in_a_text_are_no_reason_to_refuse_a_body(stranger, body):
    assert post(stranger, body).status_code == 200
