import json

import pytest


def test_a_page_never_repeats_a_market_while_prices_move(upstream, caller):
    before = {market.id for market in upstream.world.markets if not market.closed}
    seen = caller.walk(
        "/markets/keyset",
        "markets",
        between=upstream.world.tick,
        limit=7,
        closed="false",
        order="volume24hr",
        ascending="false",
    )
    ids = [market["id"] for market in seen]
    assert len(ids) == len(set(ids)) > 100
    still_open = {market.id for market in upstream.world.markets if not market.closed}
    assert before & still_open <= set(ids)


@pytest.mark.parametrize(("path", "key"), [("/events/keyset", "events"), ("/markets/keyset", "markets")])
def test_the_last_page_has_no_cursor_and_all_pages_are_everything_once(upstream, caller, path, key):
    for closed in ("true", "false"):
        ids = [item["id"] for item in caller.walk(path, key, limit=11, closed=closed)]
        expected = [item.id for item in getattr(upstream.world, key) if item.closed is (closed == "true")]
        assert sorted(ids) == sorted(expected)
        assert ids == sorted(ids, key=int)


@pytest.mark.parametrize("order", ["volume24hr", "endDate", "startDate", "liquidity", "volume,id"])
@pytest.mark.parametrize("ascending", ["true", "false"])
def test_every_order_can_be_walked_both_ways(upstream, caller, order, ascending):
    items = caller.walk("/events/keyset", "events", limit=13, order=order, ascending=ascending)
    assert len({item["id"] for item in items}) == len(items) == len(upstream.world.events)
    if order == "volume24hr":
        volumes = [item.get("volume24hr") for item in items if not item["closed"]]
        assert volumes == sorted(volumes, reverse=ascending == "false")


def test_the_page_size_has_a_default_and_a_cap(caller):
    assert len(caller.get("/events/keyset").json["events"]) == 20
    assert len(caller.get("/markets/keyset", limit=1000).json["markets"]) == 100


def test_another_name_of_the_cursor_is_silently_ignored(caller):
    first = caller.get("/markets/keyset", limit=5).json
    for name in ("cursor", "next_cursor", "page"):
        assert caller.get("/markets/keyset", limit=5, **{name: first["next_cursor"]}).json == first
    assert caller.get("/markets/keyset", limit=5, after_cursor=first["next_cursor"]).json != first


@pytest.mark.parametrize(
    "query",
    [
        {"offset": 0},
        {"order": "volume_24hr"},
        {"after_cursor": "rubbish"},
        {"limit": "many"},
        {"closed": "perhaps"},
        {"end_date_min": "soon"},
        {"volume_min": "lots"},
    ],
)
def test_a_keyset_list_refuses_what_upstream_refuses(caller, query):
    response = caller.get("/events/keyset", **query)
    assert response.status == 422
    assert response.json["type"] == "validation error"


def test_a_cursor_belongs_to_its_order(caller):
    cursor = caller.get("/markets/keyset", limit=2, order="volume24hr").json["next_cursor"]
    assert caller.get("/markets/keyset", limit=2, order="endDate", after_cursor=cursor).status == 422


def test_offset_lists_still_work_up_to_two_thousand(caller):
    first = caller.get("/markets", limit=10, offset=0).json
    second = caller.get("/markets", limit=10, offset=10).json
    assert first + second == caller.get("/markets", limit=20).json
    assert caller.get("/events", limit=3, offset=2000).json == []
    assert caller.get("/events", limit=3, offset=2001).status == 422


def test_leaving_closed_out_hides_closed_markets_even_by_id(upstream, caller):
    market = upstream.world.good_markets()[0]
    market.resolve("this")
    for path in ("/markets", "/markets/keyset"):
        for query in ({"condition_ids": market.condition_id}, {"id": market.id}, {"clob_token_ids": market.tokens[0]}):
            hidden = caller.get(path, **query).json
            shown = caller.get(path, closed="true", **query).json
            assert (hidden if isinstance(hidden, list) else hidden["markets"]) == []
            assert [m["id"] for m in (shown if isinstance(shown, list) else shown["markets"])] == [market.id]


def test_repeated_condition_ids_are_all_found(upstream, caller):
    asked = upstream.world.good_markets()[:40]
    page = caller.get("/markets/keyset", closed="false", limit=100, condition_ids=[m.condition_id for m in asked]).json
    assert {market["id"] for market in page["markets"]} == {market.id for market in asked}
    assert "next_cursor" not in page


def test_filters_keep_what_they_say(caller):
    events = caller.walk("/events/keyset", "events", closed="false", tag_slug="politics", limit=100)
    assert events
    assert all("politics" in {tag["slug"] for tag in event["tags"]} for event in events)
    number = next(tag["id"] for tag in events[0]["tags"] if tag["slug"] == "politics")
    assert caller.walk("/events/keyset", "events", closed="false", tag_id=number, limit=100) == events
    rich = caller.walk("/markets/keyset", "markets", volume_num_min=50_000, liquidity_num_min=3000, limit=100)
    assert rich
    assert all(market["volumeNum"] >= 50_000 and market["liquidityNum"] >= 3000 for market in rich)
    late = caller.walk("/markets/keyset", "markets", end_date_min="2026-12-01T00:00:00Z", limit=100)
    assert late
    assert all(market["endDate"] >= "2026-12-01" for market in late)


def test_events_are_bounded_by_other_names_than_markets(caller):
    every = caller.walk("/events/keyset", "events", closed="false", limit=100)
    big = caller.walk("/events/keyset", "events", closed="false", limit=100, volume_min=500_000)
    assert 0 < len(big) < len(every)
    assert all(event["volume"] >= 500_000 for event in big)
    assert caller.walk("/events/keyset", "events", closed="false", limit=100, volume_num_min=500_000) == every


def test_unknown_parameters_are_ignored(caller):
    plain = caller.get("/markets/keyset", limit=5).json
    assert caller.get("/markets/keyset", limit=5, order_by="volume", tag_slug="no-such-tag").json == plain


def test_singles_are_found_by_number_and_by_slug(upstream, caller):
    event = upstream.world.events[3]
    market = event.markets[0]
    assert caller.get(f"/events/{event.id}").json == caller.get(f"/events/slug/{event.slug}").json
    single = caller.get(f"/markets/{market.id}").json
    assert single == caller.get(f"/markets/slug/{market.slug}").json
    assert single["conditionId"] == market.condition_id
    assert caller.get("/markets/999999999").status == 404
    assert caller.get("/events/slug/no-such-event").status == 404
    assert caller.get("/markets/not-a-number").status == 422


def test_a_nested_market_has_neither_events_nor_tags_and_a_listed_one_has_its_event(upstream, caller):
    event = caller.get(f"/events/{upstream.world.events[3].id}").json
    assert event["markets"]
    for nested in event["markets"]:
        assert not {"events", "tags"} & set(nested)
        listed = caller.get(f"/markets/{nested['id']}").json
        (quoted,) = listed.pop("events")
        assert listed == nested
        assert quoted == {key: value for key, value in event.items() if key not in {"markets", "tags"}}
        tagged = caller.get(f"/markets/{nested['id']}", include_tag="true").json
        assert tagged["tags"] == event["tags"]


def test_a_numeric_id_is_gammas_market_and_a_condition_id_the_clobs(upstream, caller):
    market = upstream.world.good_markets()[0]
    gamma, clob = caller.get(f"/markets/{market.id}").json, caller.get(f"/markets/{market.condition_id}").json
    assert gamma["conditionId"] == clob["condition_id"] == market.condition_id
    assert json.loads(gamma["clobTokenIds"]) == [token["token_id"] for token in clob["tokens"]]


def test_tags_can_be_listed(caller):
    tags = caller.get("/tags", limit=5).json
    assert len(tags) == 5
    assert caller.get(f"/tags/{tags[0]['id']}").json == tags[0]
    assert caller.get(f"/tags/slug/{tags[0]['slug']}").json == tags[0]


def test_every_request_is_counted(upstream, caller):
    caller.get("/markets/keyset", limit=3, condition_ids=["0x1", "0x2"])
    caller.get("/_control/state")
    ((method, path, query),) = list(upstream.requests)
    assert (method, path) == ("GET", "/markets/keyset")
    assert query == {"limit": ["3"], "condition_ids": ["0x1", "0x2"]}
    assert [asked.path for asked in upstream.requests.to("/markets")] == ["/markets/keyset"]
    assert upstream.requests.to("/events") == []
    upstream.requests.clear()
    assert len(upstream.requests) == 0
