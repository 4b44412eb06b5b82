"""What others are told of the feed: readiness, metrics, the dashboard."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from markets.feed.models import MarketFeed
from markets.feed.services import FeedState, hold_lease
from staff.dashboard import feed_tile

pytestmark = pytest.mark.django_db


def hold(*, heard_ago: float | None = 1, seconds: float = 60) -> None:
    heard_at = None if heard_ago is None else datetime.now(UTC) - timedelta(seconds=heard_ago)
    state = FeedState(heard_at=heard_at, connections=2, tokens=1_000, trusted=998)
    assert hold_lease(holder=uuid4(), seconds=seconds, state=state)


CASES = {
    "healthy": ({"heard_ago": 1}, "ok"),
    "silent": ({"heard_ago": 60}, "unavailable"),
    "connecting": ({"heard_ago": None}, "unavailable"),
    "ended": ({"seconds": 0}, "unavailable"),
    "never": (None, "unavailable"),
}


@pytest.mark.parametrize(("held", "check"), CASES.values(), ids=CASES)
def test_without_a_healthy_feed_the_service_is_degraded_and_not_down(api, market_rules, held, check):
    market_rules.FEED_ENABLED = True
    if held is not None:
        hold(**held)
    body = api.get("/ready").json()
    assert body["checks"]["feed"] == check
    assert body["status"] == ("ready" if check == "ok" else "degraded")


def test_without_a_feed_by_choice_nothing_is_missing(api):
    body = api.get("/ready").json()
    assert "feed" not in body["checks"]
    assert body["status"] == "ready"
    assert feed_tile(now=timezone.now()).value == "off"


def test_metrics_say_how_the_feed_does(api, market_rules):
    market_rules.FEED_ENABLED = True
    hold(heard_ago=5)
    text = api.get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["thisthat_feed_up",] == 1
    assert found["thisthat_feed_tokens", "wanted"] == 1_000
    assert found["thisthat_feed_tokens", "known"] == 998
    assert found["thisthat_feed_connections",] == 2
    assert 5 <= found["thisthat_feed_age_seconds",] < 60


@pytest.mark.parametrize(
    ("held", "value", "state"),
    [({"heard_ago": 1}, "", "good"), ({"heard_ago": 60}, "", "bad"), ({"heard_ago": None}, "connecting", "bad"), (None, "away", "bad")],
    ids=["healthy", "silent", "connecting", "never"],
)  # fmt: skip
def test_the_dashboard_shows_how_the_feed_does(market_rules, held, value, state):
    market_rules.FEED_ENABLED = True
    if held is not None:
        hold(**held)
    tile = feed_tile(now=timezone.now())
    assert tile.value.startswith(value)
    assert tile.state == state


def test_there_is_one_feed():
    hold()
    with pytest.raises(IntegrityError, match="market_feed_one_row"):
        MarketFeed.objects.create(id=2, holder=uuid4(), acquired_at=timezone.now(), expires_at=timezone.now())
