from decimal import Decimal

import pytest

from markets.errors import UpstreamGarbled
from tests.markets.polymarket.requests import events, first_page, markets
from tests.markets.polymarket.scripted_server import Reply


def test_pages_follow_the_cursor_with_everything_else_unchanged(client, server):
    server.then(events(1, 2, cursor="AAA="), events(3, cursor="BBB="), events(4))

    pages = list(client.iter_event_pages(tag_slug="nba", page_size=2))

    assert [[event["id"] for event in page] for page in pages] == [[1, 2], [3], [4]]
    unchanged = [
        ("limit", "2"),
        ("closed", "false"),
        ("order", "volume24hr"),
        ("ascending", "false"),
        ("tag_slug", "nba"),
    ]
    assert [request.query for request in server.requests] == [
        unchanged,
        [*unchanged, ("after_cursor", "AAA=")],
        [*unchanged, ("after_cursor", "BBB=")],
    ]
    assert {(request.method, request.path) for request in server.requests} == {("GET", "/events/keyset")}


def test_closed_is_always_sent(client, server):
    server.then(events(1), events(1))
    list(client.iter_event_pages(closed=True))
    list(client.iter_event_pages())
    assert [dict(request.query)["closed"] for request in server.requests] == ["true", "false"]


@pytest.mark.parametrize("cursor", [None, ""])
def test_a_missing_or_empty_cursor_is_the_last_page(client, server, cursor):
    server.then(Reply({"events": [], "next_cursor": cursor}))
    assert list(client.iter_event_pages()) == [[]]


def test_a_repeated_cursor_ends_in_an_error_and_not_in_page_1_for_ever(client, server):
    server.always(events(1, cursor="A"))
    with pytest.raises(UpstreamGarbled, match="cursor"):
        list(client.iter_event_pages())
    assert len(server.requests) == 2


def test_a_cursor_that_comes_back_later_is_a_repeated_one(client, server):
    server.then(events(1, cursor="A"), events(2, cursor="B"), events(3, cursor="A"))
    with pytest.raises(UpstreamGarbled):
        list(client.iter_event_pages())


def test_too_many_pages_are_an_error(client, server):
    server.always(lambda request: events(1, cursor=f"c{len(server.requests)}"))
    with pytest.raises(UpstreamGarbled, match="3 pages"):
        list(client.iter_event_pages(max_pages=3))
    assert len(server.requests) == 3


def test_pages_are_requested_only_when_wanted(client, server):
    server.then(events(1, cursor="A"))
    assert first_page(client) == [{"id": 1}]
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [0, 501])
def test_a_page_size_beyond_the_upstreams_limits_is_a_mistake_of_ours(client, size):
    with pytest.raises(ValueError):
        client.iter_event_pages(page_size=size)


@pytest.mark.parametrize(
    "body", [[], {}, {"events": {}}, {"events": None}, {"markets": []}, "x", None, {"events": [], "next_cursor": 5}]
)
def test_json_of_another_shape_is_garbled(client, server, body):
    server.always(Reply(body))
    with pytest.raises(UpstreamGarbled):
        first_page(client)


def test_odd_objects_inside_a_page_are_left_to_the_parser(client, server):
    server.then(Reply({"events": [None, 5, {"id": "1"}]}))
    assert first_page(client) == [None, 5, {"id": "1"}]


def test_ids_are_repeated_keys(client, server):
    server.then(markets("0xb", "0xa"))
    found = client.markets_by_condition_ids(["0xa", "0xb", "0xa", ""], closed=True)
    assert sorted(market["conditionId"] for market in found) == ["0xa", "0xb"]
    query = server.requests[0].query
    assert [value for name, value in query if name == "condition_ids"] == ["0xa", "0xb"]
    assert ("closed", "true") in query
    assert server.requests[0].path == "/markets/keyset"


def test_many_ids_go_in_batches_with_request_lines_that_servers_take(client, server):
    ids = [f"0x{number:064x}" for number in range(201)]
    server.always(lambda request: markets(*[value for name, value in request.query if name == "condition_ids"]))
    found = client.markets_by_condition_ids(ids, closed=False)
    assert [market["conditionId"] for market in found] == ids
    assert max(sum(len(name) + len(value) + 2 for name, value in request.query) for request in server.requests) < 4000


def test_further_pages_of_a_batch_are_followed(client, server):
    server.then(markets("0xa", next_cursor="N"), markets("0xb"))
    found = client.markets_by_condition_ids(["0xa", "0xb"], closed=False)
    assert [market["conditionId"] for market in found] == ["0xa", "0xb"]


def test_markets_that_were_not_asked_for_are_left_out(client, server):
    server.then(
        Reply({"markets": [{"conditionId": "0xother"}, None, {}, {"conditionId": ["0xa"]}, {"conditionId": "0xa"}]})
    )
    assert client.markets_by_condition_ids(["0xa"], closed=False) == [{"conditionId": "0xa"}]


def test_an_ignored_filter_does_not_lead_through_the_whole_catalogue(client, server):
    server.always(lambda request: markets("0xother", next_cursor=f"c{len(server.requests)}"))
    with pytest.raises(UpstreamGarbled):
        client.markets_by_condition_ids(["0xa"], closed=False)
    assert len(server.requests) == 5


def test_nothing_is_requested_for_no_ids(client, server):
    assert client.markets_by_condition_ids([], closed=True) == []
    assert client.books([]) == {}
    assert client.clob_market("") is None
    assert server.requests == []


def book(token: object, price: object = "0.435") -> dict[str, object]:
    return {"asset_id": token, "bids": [{"price": price, "size": "100"}], "asks": []}


def test_books_are_as_they_were_sent_of_the_tokens_that_have_one(client, server):
    server.then(Reply([book("2", 0.1), book("99"), book("1")]))
    assert client.books(["1", "2", "3", "1"]) == {"1": book("1"), "2": book("2", Decimal("0.1"))}
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/books")
    assert request.body == [{"token_id": "1"}, {"token_id": "2"}, {"token_id": "3"}]


@pytest.mark.parametrize("broken", ["NaN", None, True, [], {}, {"asset_id": None}, {"asset_id": ["1"]}])
def test_what_is_no_book_is_left_out_and_spoils_no_other(client, server, broken):
    server.then(Reply([broken, book("2")]))
    assert client.books(["1", "2"]) == {"2": book("2")}


def test_books_go_in_batches_of_500(client, server):
    server.always(lambda request: Reply([book(entry["token_id"]) for entry in request.body]))
    assert len(client.books([str(number) for number in range(1201)])) == 1201
    assert [len(request.body) for request in server.requests] == [500, 500, 201]


@pytest.mark.parametrize("reply", [Reply([]), Reply({"error": "No orderbook exists"}, 404)])
def test_tokens_without_any_book_have_none(client, server, reply):
    server.then(reply)
    assert client.books(["1"]) == {}


def test_an_object_instead_of_books_is_garbled(client, server):
    server.always(Reply({}))
    with pytest.raises(UpstreamGarbled):
        client.books(["1"])


def test_the_clobs_facts_of_a_market(client, server):
    server.then(Reply({"condition_id": "0xA", "closed": True, "tokens": []}))
    assert client.clob_market("0xa") == {"condition_id": "0xA", "closed": True, "tokens": []}
    assert server.requests[0].path == "/markets/0xa"


def test_a_market_that_the_clob_does_not_know_is_none_and_no_warning(client, server, caplog):
    server.then(Reply({"error": "not found"}, 404))
    assert client.clob_market("0xa") is None
    assert not caplog.records


@pytest.mark.parametrize("body", [{"condition_id": "0xb"}, {}, []])
def test_facts_of_another_market_are_garbled(client, server, body):
    server.always(Reply(body))
    with pytest.raises(UpstreamGarbled):
        client.clob_market("0xa")


def test_an_id_cannot_lead_to_another_path(client, server):
    server.then(Reply({}, 404))
    client.clob_market("../../events?x=1")
    assert server.requests[0].path == "/markets/..%2F..%2Fevents%3Fx%3D1"
