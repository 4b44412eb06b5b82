"""An odd value in one object of a body leaves the others readable."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.polymarket.values import DEPTH_MAX, decode
from tests.markets.polymarket.scripted_server import Reply

ODD = {
    b"9" * 5_000: "9" * 5_000,
    b"-" + b"9" * 5_000: "-" + "9" * 5_000,
    b"1e99999999999999999999": "1e99999999999999999999",
    b"[" * 100_000 + b'"]"' + b"]" * 100_000: None,
    b'{"a":' * 100_000 + b'"\\"}"' + b"}" * 100_000: None,
}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:8].decode())
def test_a_body_with_one_odd_value_is_read(odd):
    good = b'{"id": 1, "price": 0.25, "title": "[\\"{"}'
    sent = decode(b'{"events": [' + good + b', {"id": 2, "odd": ' + odd + b"}, " + good + b"]}")
    first, second, third = sent["events"]
    assert first == third == {"id": 1, "price": Decimal("0.25"), "title": '["{'}
    assert second["id"] == 2
    found = second["odd"]
    depth = 0
    while isinstance(found, list | dict):
        found, depth = (found[0] if isinstance(found, list) else found["a"]), depth + 1
    assert found == ODD[odd]
    assert depth < DEPTH_MAX


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:8].decode())
def test_a_page_with_one_odd_value_arrives(client, server, odd):
    server.then(Reply(b'{"events": [{"id": 1}, {"id": ' + odd + b"}]}"))
    assert next(client.iter_event_pages())[0] == {"id": 1}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[NaN]", b"[" * 100_000, b"]" * 9, b'["', b"\xff\xfe\xfa", b"[1," * 9_999]
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(ValueError):
        decode(body)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_what_is_json_arrives_as_it_was_sent(sent):
    assert decode(json.dumps(sent).encode()) == sent
