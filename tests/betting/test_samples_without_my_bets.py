"""GET /markets/random: a signed-in user isn't shown again what that user has bet on."""

from collections import Counter

import pytest

from tests.markets.factories import MARKETS, add_market, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def ten(db):
    markets = [add_market(title=f"Question {number}") for number in range(10)]
    publish()
    return markets


def drawn(api, player=None, **query) -> list[str]:
    sent = {"Authorization": f"Bearer {player.token}"} if player else {}
    response = api.get(f"{MARKETS}/random", query, headers=sent)
    assert response.status_code == 200
    return [market["id"] for market in response.json()["data"]]


def names(markets) -> set[str]:
    return {str(market.pk) for market in markets}


def test_what_was_bet_on_is_left_out_for_that_user_alone(ann, new_player, ten, api):
    for market in ten[:4]:
        ann.bet(market, 10)
    assert set(drawn(api, ann)) == names(ten[4:])
    assert set(drawn(api, new_player("bob"))) == set(drawn(api)) == names(ten)


def test_markets_whose_bet_was_sold_are_left_out_too(ann, ten, api):
    ann.sell(ann.bet(ten[0], 10))
    assert set(drawn(api, ann)) == names(ten[1:])


def test_having_bet_on_everything_leaves_nothing(ann, ten, api):
    for market in ten:
        ann.bet(market, 10)
    assert drawn(api, ann) == []


def test_the_sample_stays_fair(ann, ten, api):
    """Pearson's chi-squared over 300 draws of 2; its 99.9th percentile is 20.5 for 5 degrees of freedom."""
    for market in ten[2:6]:
        ann.bet(market, 10)
    left = names(ten) - names(ten[2:6])
    counts = Counter(market for _ in range(300) for market in drawn(api, ann, count=2))
    assert set(counts) == left
    assert sum((counts[market] - 100) ** 2 / 100 for market in left) < 20.5


def test_statements_stay_few(ann, ten, api, django_assert_max_num_queries):
    for market in ten[:5]:
        ann.bet(market, 10)
    with django_assert_max_num_queries(4):
        drawn(api, ann)
