"""An error of ours is raised as what it is: never as Polymarket being away, nor counted against it."""

import pytest
import requests

from markets.polymarket.client import PolymarketClient
from markets.polymarket.transport import Call, Host
from tests.markets.polymarket.requests import QUICK, breaker_after
from tests.markets.polymarket.scripted_server import Reply


@pytest.fixture
def breaker():
    return breaker_after(1)


def host(server, breaker, **options):
    given = {"name": "gamma", "policy": QUICK, "session": requests.Session, "user_agent": "x", "breaker": breaker}
    return Host(server.url, **(given | options))


@pytest.mark.parametrize("address", ["", "gamma-api", "htp://gamma-api", "http://", "http://exa mple:port"])
def test_an_address_that_is_none_is_not_an_upstream_that_is_away(breaker, address):
    client = PolymarketClient(gamma_url=address, clob_url=address, policy=QUICK, breaker=breaker)
    with pytest.raises(ValueError):
        client.markets_by_condition_ids(["0x1"], closed=False)
    assert not breaker.is_open


def test_a_payload_that_is_no_json_is_not_an_upstream_that_is_away(server, breaker):
    call = Call(path="/books", read=dict, payload=[float("nan")])
    with pytest.raises(requests.exceptions.InvalidJSONError):
        host(server, breaker).run(call)
    assert server.requests == []
    assert not breaker.is_open


def test_a_header_that_is_none_is_not_an_upstream_that_is_away(server, breaker):
    with pytest.raises(requests.exceptions.InvalidHeader):
        host(server, breaker, user_agent="a\nb").run(Call(path="/events", read=dict))
    assert not breaker.is_open


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError, ValueError])
def test_a_failure_to_read_a_good_response_is_not_an_upstream_that_is_away(server, breaker, error):
    def read(_sent):
        raise error("ours")

    server.always(Reply({}))
    with pytest.raises(error):
        host(server, breaker).run(Call(path="/events", read=read))
    assert len(server.requests) == 1, "not tried again"
    assert not breaker.is_open
