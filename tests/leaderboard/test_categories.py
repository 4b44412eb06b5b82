"""Boards of market categories: `?category=` of the leaderboards."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.test import Client

from core.api.json import iso_utc
from leaderboard.models import CategoryMilestone, Order, Scope
from leaderboard.rules import FARTHEST_APART, SPACING
from leaderboard.selectors import get_place, get_ranking, list_entries
from leaderboard.services import update_leaderboard
from markets.models import Market
from tests.betting.factories import Player, sign_up
from tests.betting.settlement.factories import end, settle
from tests.economy.stocks.factories import list_stock, new_trader, set_price
from tests.leaderboard.bulk import add_settled_bets, add_users
from tests.leaderboard.factories import URL, bet_at, figures, mine, naive_in_category, names, ranks, see, sell_at
from tests.leaderboard.test_reading import plans
from tests.markets.factories import add_market

CROWD = 5_000
NO_ENTRIES = {"leaderboard": [], "data": [], "total": 0, "updatedAt": None}
pytestmark = pytest.mark.django_db


@pytest.fixture
def chess() -> Market:
    return add_market(title="Will White win?", category="sports")


@pytest.fixture
def poll() -> Market:
    return add_market(title="Will she be elected?", category="politics")


def test_each_category_has_its_own_order_of_those_who_bet_on_its_markets(chess, poll, now):
    ann, bob, cem = (sign_up(name) for name in ("ann", "bob", "cem"))
    bet_at(ann, chess, 10, now)
    bet_at(ann, poll, 90, now)
    bet_at(bob, chess, 30, now, "that")
    bet_at(cem, poll, 60, now)
    end(chess, "this")
    settle(chess)
    update_leaderboard(now=now)
    assert names("volume", category="sports") == ["bob", "ann"]
    assert names("pnl", category="sports") == ["ann", "bob"]
    assert figures("pnl", category="sports") == {"ann": (Decimal("6.66"), 10), "bob": (-30, 30)}
    assert figures("pnl", category="politics") == {"ann": (0, 90), "cem": (0, 60)}
    page = see("volume", category="SPORTS", limit=1, offset=1)
    assert (page["total"], page["updatedAt"]) == (2, iso_utc(now))
    assert [(entry["rank"], entry["username"]) for entry in page["leaderboard"]] == [(2, "ann")]


def test_a_sale_counts_as_it_does_without_a_category(chess, now):
    ann = sign_up("ann")
    bet = bet_at(ann, chess, 60, now)
    sell_at(ann, bet, 30, now)
    end(chess, "invalid", status="cancelled")
    settle(chess)
    update_leaderboard(now=now)
    assert figures("pnl", category="sports") == figures("pnl")


def test_what_stocks_brought_is_of_no_category(now):
    acme, ann = list_stock(), new_trader("ann")
    ann.buy(acme, 10)
    set_price(acme, "12")
    ann.sell(acme, 4)
    bet_at(Player(ann.user, ann.token), add_market(), 10, now)
    update_leaderboard(now=now)
    assert figures("pnl")["ann"][0] > 0
    assert figures("pnl", category="general") == {"ann": (0, 10)}


@pytest.mark.parametrize("order", Order)
def test_a_category_that_there_is_not_is_an_empty_list(chess, now, order):
    bet_at(sign_up("ann"), chess, 10, now)
    update_leaderboard(now=now)
    found = see(order, category="Jousting on İce")
    assert {name: found[name] for name in NO_ENTRIES} == NO_ENTRIES


def test_all_categories_are_what_there_is_without_one(five, now):
    update_leaderboard(now=now)
    assert see("volume", category="All") == see("volume")


@pytest.mark.parametrize(
    "query", [{"period": "day"}, {"timeFilter": "weekly"}, {"category": "x" * 51}, {"category": "\0"}]
)
@pytest.mark.parametrize("path", ["pnl", "me"])
def test_a_combination_that_is_not_counted_is_refused(path, query):
    ann = sign_up("ann")
    headers = {"Authorization": f"Bearer {ann.token}"}
    response = Client().get(f"{URL}/{path}", {"category": "sports"} | query, headers=headers)
    assert response.status_code == 400
    assert [each["field"] for each in response.json()["details"]] == ["category"]


def test_all_time_may_be_named_with_a_category(chess, now):
    bet_at(sign_up("ann"), chess, 10, now)
    update_leaderboard(now=now)
    for query in ({"period": "all"}, {"timeFilter": "all"}):
        assert names("pnl", category="sports", **query) == ["ann"]


def test_a_market_that_gets_another_category_takes_its_bets_along(chess, poll, now):
    ann, bob = sign_up("ann"), sign_up("bob")
    for player, market, amount in ((ann, chess, 10), (ann, poll, 20), (bob, chess, 30)):
        bet_at(player, market, amount, now)
    update_leaderboard(now=now)
    Market.objects.filter(pk=chess.pk).update(category="politics")
    # Two hours later no bet is new any more.
    update_leaderboard(now=now + timedelta(hours=2))
    assert see("volume", category="sports")["total"] == 0
    assert names("volume", category="sports") == []
    assert figures("volume", category="politics") == {"ann": (0, 30), "bob": (0, 30)}


def test_profits_that_even_out_between_two_categories_are_seen_in_both(chess, poll, now):
    ann = sign_up("ann")
    bet_at(ann, chess, 60, now)
    bet_at(ann, poll, 40, now)
    update_leaderboard(now=now)
    for market, outcome in ((chess, "this"), (poll, "that")):
        end(market, outcome)
        settle(market)
    update_leaderboard(now=now)
    assert figures("pnl", period="day") == {"ann": (0, 100)}
    assert figures("pnl", category="sports") == {"ann": (40, 60)}
    assert figures("pnl", category="politics") == {"ann": (-40, 40)}


def test_it_says_where_one_stands_in_a_category_and_who_is_around(chess, poll, now):
    ann, bob, eva = (sign_up(name) for name in ("ann", "bob", "eva"))
    bet_at(ann, chess, 10, now)
    bet_at(bob, chess, 30, now)
    bet_at(eva, poll, 50, now)
    update_leaderboard(now=now)
    ranking = mine(ann, type="volume", category="Sports")
    around = ranking.pop("surrounding")
    assert ranking == {
        "type": "volume", "rank": 2, "rankByPnL": 1, "rankByVolume": 2, "totalUsers": 2,
        "overallPnL": Decimal("0.00"), "totalVolume": Decimal("10.00"),
    }  # fmt: skip
    assert [(entry["rank"], entry["username"]) for entry in around] == [(1, "bob"), (2, "ann")]
    nowhere = mine(eva, category="sports")
    assert (nowhere["rank"], nowhere["totalUsers"], nowhere["surrounding"]) == (None, 2, [])


@pytest.fixture
def crowd(chess, now) -> Scope:
    """The board of 5,000 who bet on one market, many of them with the same figures."""
    users = add_users(CROWD, at=now)
    add_settled_bets(chess, [(user_id, 50 + place % 7, place % 3 == 0) for place, user_id in enumerate(users)])
    update_leaderboard(now=now)
    return Scope.of_category("sports")


def test_places_among_many_are_those_of_a_naive_sort_also_after_some_moved(crowd, chess, now):
    expected = naive_in_category("sports")
    assert ranks(crowd) == expected
    moved = [*expected][1000:1700]
    add_settled_bets(chess, [(user_id, 60, place % 2 == 0) for place, user_id in enumerate(moved)])
    assert update_leaderboard(now=now).categories == len(moved)
    expected = naive_in_category("sports")
    assert ranks(crowd) == expected
    for user_id in [*expected][::97]:
        assert get_place(user_id=user_id, scope=crowd)[1:] == expected[user_id]
    for order in Order:
        laid = CategoryMilestone.objects.filter(category="sports", order=order).order_by("passed")
        passed = [*laid.values_list("passed", flat=True), CROWD]
        assert max(later - before for before, later in pairwise(passed)) <= FARTHEST_APART


@pytest.mark.parametrize("order", Order)
def test_a_page_and_ones_place_are_ranges_of_indexes_however_deep(crowd, order):
    middle = list_entries(order=order, scope=crowd, after=CROWD // 2, limit=1)[0]["user"]["id"]
    (page,) = plans(lambda: list_entries(order=order, scope=crowd, after=CROWD - 200, limit=100))
    own, around = plans(lambda: get_ranking(user_id=middle, order=order, scope=crowd))
    for plan in (page, own, around):
        assert "Seq Scan on category_standings" not in plan
        assert rows_of_standings(plan) <= 100 + 2 * SPACING + 1


def rows_of_standings(plan: str) -> int:
    scans = [line for line in plan.splitlines() if "category_standings" in line and "rows=" in line]
    assert scans
    return sum(int(float(line.split("rows=")[1].split(" ")[0])) for line in scans)
