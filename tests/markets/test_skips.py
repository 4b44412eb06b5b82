"""POST /markets/{id}/skip: a market that a user doesn't want isn't drawn for that user again for a day."""

from datetime import timedelta

import pytest
from django.utils import timezone

from markets.models import MarketSkip
from markets.skips import purge_skips
from markets.tasks import purge_skips as purge_job
from tests.betting.factories import sign_up
from tests.markets.factories import MARKETS, add_market, add_mirrored, publish, refusal

pytestmark = pytest.mark.django_db
A_DAY = timedelta(days=1)


@pytest.fixture
def ann():
    return sign_up("ann")


@pytest.fixture
def three(db):
    markets = [add_market(title=f"Question {number}") for number in range(3)]
    publish()
    return markets


def as_user(player) -> dict[str, str]:
    return {"Authorization": f"Bearer {player.token}"} if player else {}


def skip(api, player, market_id):
    return api.post(f"{MARKETS}/{market_id}/skip", headers=as_user(player))


def drawn(api, player=None) -> set[str]:
    return {market["id"] for market in api.get(f"{MARKETS}/random", headers=as_user(player)).json()["data"]}


def test_what_was_skipped_is_left_out_for_that_user_alone(api, ann, three):
    skipped, *others = [str(market.pk) for market in three]
    response = skip(api, ann, skipped)
    assert response.status_code == 200
    assert response.json()["marketId"] == skipped
    assert drawn(api, ann) == set(others)
    assert drawn(api, sign_up("bob")) == drawn(api) == {skipped, *others}


def test_after_a_day_it_is_drawn_again(api, ann, three):
    skip(api, ann, three[0].pk)
    (row,) = MarketSkip.objects.all()
    assert row.ends_at - timezone.now() <= A_DAY
    MarketSkip.objects.update(ends_at=timezone.now())
    assert str(three[0].pk) in drawn(api, ann)


def test_skipping_again_is_one_row_and_a_day_from_then(api, ann, three):
    skip(api, ann, three[0].pk)
    MarketSkip.objects.update(ends_at=timezone.now() + timedelta(hours=1))
    skip(api, ann, three[0].pk)
    (row,) = MarketSkip.objects.all()
    assert row.ends_at > timezone.now() + timedelta(hours=23)


def test_the_condition_id_names_it_too(api, ann, db):
    market = add_mirrored(1)
    assert skip(api, ann, market.polymarket_id).json()["marketId"] == str(market.pk)


def test_nobody_and_no_market_are_refused(api, ann, three):
    refusal(skip(api, None, three[0].pk), 401, "not_authenticated")
    refusal(skip(api, ann, "nothing"), 404, "not_found")
    bad = api.post(f"{MARKETS}/{three[0].pk}/skip", headers={"Authorization": "Bearer bad"})
    refusal(bad, 401, "invalid_token")


def test_what_is_over_is_purged_and_the_rest_stays(ann, three):
    now = timezone.now()
    for market, until in zip(three, (now - A_DAY, now, now + A_DAY), strict=True):
        MarketSkip.objects.create(user=ann.user, market=market, ends_at=until)
    assert purge_skips(now=now) == 2
    assert [row.market_id for row in MarketSkip.objects.all()] == [three[2].pk]
    purge_job()
    assert MarketSkip.objects.count() == 1
