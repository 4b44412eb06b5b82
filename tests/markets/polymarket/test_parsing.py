import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from markets.polymarket.parsing import ID_MAX, Odds, Skipped, SkipReason, parse_market
from tests.markets.polymarket.market_objects import (
    THAT_TOKEN,
    THIS_TOKEN,
    closed_market,
    event,
    open_market,
    parsed,
    skipped,
)


def test_an_ordinary_open_market_is_read_in_full():
    market = parsed(open_market(), event())

    assert (market.polymarket_id, market.upstream_id) == ("0xabc1", "1001")
    assert market.title == "Will it rain in Reading on Monday?"
    assert market.slug == "will-it-rain-in-reading-on-monday"
    assert market.description == "Resolves to Yes if a drop falls."
    assert (market.this_option, market.that_option) == ("Yes", "No")
    assert (market.this_token_id, market.that_token_id) == (THIS_TOKEN, THAT_TOKEN)
    assert market.odds == Odds(Decimal("0.4350"), Decimal("0.5650"))
    assert (market.liquidity, market.volume, market.volume_24hr) == (
        Decimal("1200.50"),
        Decimal("34567.89"),
        Decimal("12.50"),
    )
    assert (market.category, market.tags) == ("weather", ("weather",))
    assert market.image_url == "https://img.example/rain.png"
    assert market.expires_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert market.accepting_orders
    assert (market.upstream_event_id, market.event_slug, market.event_title) == (
        "77",
        "rain-in-reading",
        "Rain in Reading",
    )
    assert (market.group_title, market.neg_risk, market.neg_risk_id) == ("Monday", False, "0xfeed")
    assert (market.closed, market.closed_at, market.resolution_status) == (False, None, "")


@pytest.mark.parametrize("thing", [None, True, 3, 0.5, "text", [], [{}]])
def test_anything_but_an_object_is_skipped(thing):
    assert parse_market(thing) == Skipped(SkipReason.not_an_object, "", type(thing).__name__)


@pytest.mark.parametrize("sent", ["", "  ", None, 5, "\x00"])
def test_a_market_without_a_condition_id_is_skipped(sent):
    assert skipped(open_market(conditionId=sent)) is SkipReason.no_condition_id
    assert skipped(open_market("conditionId")) is SkipReason.no_condition_id


def test_a_condition_id_of_another_length_is_taken_but_never_cut():
    assert parsed(open_market(conditionId="x")).polymarket_id == "x"
    assert skipped(open_market(conditionId="x" * (ID_MAX + 1))) is SkipReason.bad_value


@pytest.mark.parametrize("sent", [None, "", " \n", 7, ["a"]])
def test_a_market_without_a_question_is_skipped(sent):
    assert skipped(open_market(question=sent)) is SkipReason.no_question


def test_a_skipped_market_says_which_one_it_was():
    result = parse_market(open_market(question=""))
    assert result == Skipped(SkipReason.no_question, "0xabc1", "id 1001")


def test_real_arrays_are_taken_like_those_inside_strings():
    arrays = {
        name: json.loads(open_market()[name])
        for name in ("outcomes", "outcomePrices", "clobTokenIds", "umaResolutionStatuses")
    }
    as_arrays, as_strings = parsed(open_market(**arrays)), parsed(open_market())
    assert as_arrays.odds == as_strings.odds
    assert as_arrays.this_token_id == as_strings.this_token_id
    assert as_arrays.that_option == as_strings.that_option


def test_index_0_is_this_whatever_the_words_are():
    market = parsed(open_market(outcomes='["No", "Yes"]', outcomePrices='["0.9", "0.1"]'))
    assert (market.this_option, market.that_option) == ("No", "Yes")
    assert market.odds == Odds(Decimal("0.9"), Decimal("0.1"))


def test_more_than_two_outcomes_are_not_binary():
    assert skipped(open_market(outcomes='["A", "B", "C"]')) is SkipReason.not_binary


@pytest.mark.parametrize("sent", [None, "[]", '["Yes"]', '["Yes", ""]', '["Yes", "Yes"]', '["Yes", 4]', "Yes,No", "{}"])
def test_outcomes_that_are_no_two_different_words_are_skipped(sent):
    assert skipped(open_market(outcomes=sent)) is SkipReason.bad_outcomes


@pytest.mark.parametrize("sent", [None, "[]", '["1"]', '["1", "1"]', '["1", ""]', '["1", 2.5]', '["1", null]', "["])
def test_a_market_without_two_tokens_is_skipped(sent):
    assert skipped(open_market(clobTokenIds=sent)) is SkipReason.no_tokens


def test_token_ids_sent_as_numbers_keep_every_digit():
    assert parsed(open_market(clobTokenIds=f"[{THIS_TOKEN}, {THAT_TOKEN}]")).that_token_id == THAT_TOKEN


def test_a_placeholder_is_skipped_even_with_old_prices():
    assert skipped(open_market(active=False)) is SkipReason.inactive
    assert skipped(open_market("outcomePrices", active=False)) is SkipReason.inactive


def test_a_closed_market_is_kept_though_no_longer_active():
    assert parsed(closed_market(active=False)).closed


def test_an_archived_market_is_skipped():
    assert skipped(open_market(archived=True)) is SkipReason.archived


def test_an_archived_market_that_is_closed_is_kept_because_bets_on_it_must_end():
    assert parsed(closed_market(archived=True)).closed


def test_missing_booleans_mean_an_ordinary_open_market():
    market = parsed(open_market("active", "closed", "archived", "acceptingOrders", "negRisk"))
    assert (market.closed, market.accepting_orders, market.neg_risk) == (False, True, False)


@pytest.mark.parametrize("name", ["active", "closed", "archived"])
def test_whether_a_market_is_open_is_never_guessed_from_nonsense(name):
    assert skipped(open_market(**{name: "maybe"})) is SkipReason.bad_value


def test_a_market_that_does_not_accept_orders_says_so():
    assert not parsed(open_market(acceptingOrders=False)).accepting_orders
    assert not parsed(open_market(acceptingOrders="perhaps")).accepting_orders


def test_a_closed_market_never_accepts_orders_whatever_it_says():
    assert not parsed(closed_market(acceptingOrders=True)).accepting_orders
    assert not parsed(closed_market("acceptingOrders")).accepting_orders


def test_the_image_is_the_markets_own_before_the_events():
    assert parsed(open_market(), event()).image_url.endswith("/rain.png")
    assert parsed(open_market(image=""), event()).image_url.endswith("/rain-icon.png")
    assert parsed(open_market("image", "icon"), event()).image_url.endswith("/event.png")
    assert parsed(open_market("image", "icon"), event(image=None)).image_url.endswith("/event-icon.png")


@pytest.mark.parametrize(
    "sent", ["javascript:alert(1)", "data:image/png;base64,AA", "//x.example/a", "http://", "https://a b"]
)
def test_only_web_addresses_are_images(sent):
    assert skipped(open_market("icon", image=sent)) is SkipReason.no_image


def test_an_image_address_is_never_cut():
    assert skipped(open_market("icon", image="https://x.example/" + "a" * 2000)) is SkipReason.no_image


def test_an_open_market_without_any_image_is_skipped_and_a_closed_one_kept():
    assert skipped(open_market("image", "icon"), event("image", "icon")) is SkipReason.no_image
    assert parsed(closed_market("image", "icon")).image_url == ""


def test_without_an_event_the_first_of_the_markets_own_is_used():
    market = parsed(open_market(events=[event(), event(title="Another")]))
    assert (market.event_title, market.tags) == ("Rain in Reading", ("weather",))


def test_the_event_given_counts_before_the_markets_own():
    assert parsed(open_market(events=[event(title="Another")]), event()).event_title == "Rain in Reading"


def test_neg_risk_is_the_markets_own_word_before_the_events():
    assert not parsed(open_market(), event()).neg_risk
    assert parsed(open_market("negRisk"), event()).neg_risk


def test_tags_are_lower_case_sorted_single_and_without_housekeeping():
    tags = [{"slug": slug} for slug in ("Sports ", "nhl", "featured", "sports", "hide-from-new", "rewards-50")]
    assert parsed(open_market(), event(tags=tags)).tags == ("nhl", "sports")


def test_tags_in_another_order_are_the_same_tags():
    tags = [{"slug": "b"}, {"slug": "a"}]
    assert parsed(open_market(), event(tags=tags)) == parsed(open_market(), event(tags=tags[::-1]))


def test_a_broken_tag_does_not_spoil_the_others():
    tags = [None, "sports", {"slug": 4.5}, {"slug": "x" * 101}, {}, {"slug": "golf"}]
    assert parsed(open_market(), event(tags=tags)).tags == ("golf",)


def test_the_status_is_the_current_one_before_the_last_of_the_list():
    assert parsed(closed_market(umaResolutionStatus="Resolved")).resolution_status == "resolved"
    listed = closed_market("umaResolutionStatus", umaResolutionStatuses='["proposed", "Disputed"]')
    assert parsed(listed).resolution_status == "disputed"
    assert parsed(closed_market("umaResolutionStatus", "umaResolutionStatuses")).resolution_status == ""


def test_the_facts_that_resolution_needs_are_kept_as_they_came():
    facts = parsed(closed_market(resolvedBy="0x65", automaticallyResolved=True)).upstream_facts
    assert facts == {
        "active": True,
        "closed": True,
        "archived": False,
        "acceptingOrders": False,
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["1", "0"]',
        "umaResolutionStatus": "resolved",
        "umaResolutionStatuses": '["proposed"]',
        "closedTime": "2026-08-22 14:18:27+00",
        "resolvedBy": "0x65",
        "automaticallyResolved": True,
        "endDate": "2026-12-01T00:00:00Z",
    }


def test_facts_can_always_be_stored_as_json():
    facts = parsed(
        closed_market(outcomePrices=[Decimal("1.0"), 0], resolvedBy="a\x00b\ud800", endDate={"a": 1})
    ).upstream_facts
    assert (facts["outcomePrices"], facts["resolvedBy"], facts["endDate"]) == (["1.0", 0], "ab", None)
    json.dumps(facts, allow_nan=False).encode()


def test_what_changes_at_every_poll_without_meaning_does_not_make_a_difference():
    assert parsed(open_market(updatedAt="2026-11-02T00:00:00Z")) == parsed(open_market())


def test_text_is_stripped_bounded_and_storable():
    market = parsed(
        open_market(question=" \x00A\ud800 question? " + "x" * 600, slug="s" * 400, groupItemTitle=" G\x00 ")
    )
    assert market.title.startswith("A question?")
    assert (len(market.title), len(market.slug), market.group_title) == (500, 300, "G")


def test_an_option_too_long_is_cut():
    market = parsed(open_market(outcomes=json.dumps(["y" * 150, "n"])))
    assert len(market.this_option) == 100
