"""Which markets a run checks: read from indexes, as many rows as it takes, however many wait."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from core.db.sql import analyze
from markets.models import Market
from markets.resolution.job import CANDIDATES, find_candidates
from tests.markets.factories import add_mirrored

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
MANY = """
INSERT INTO markets (id, market_type, status, polymarket_id, this_token_id, that_token_id, slug, title, description,
    this_option, that_option, this_odds, that_odds, odds_updated_at, category, tags, image_url, expires_at,
    accepting_orders, upstream_id, event_slug, event_title, group_title, neg_risk, neg_risk_id, upstream_facts,
    odds_live, liquidity, volume, volume_24hr, upstream_checked_at)
SELECT new_id(), 'polymarket', CASE n %% 3 WHEN 0 THEN 'closed' ELSE 'open' END, '0x' || n, n || '1', n || '2', 'slug',
    'title', '', 'Yes', 'No', 0.5, 0.5, %(now)s, 'general', '{}', 'https://img.example/i.png',
    %(now)s::timestamptz - n * interval '1 minute', true, '', '', '', '', false, '', '{}', false, 0, 0, 0,
    CASE n %% 2 WHEN 0 THEN %(now)s::timestamptz - n * interval '1 second' END
FROM generate_series(1, 6000) AS n
"""


def ended(number: int, *, days_ago: int, checked_days_ago: int | None = None) -> Market:
    checked_at = None if checked_days_ago is None else NOW - timedelta(days=checked_days_ago)
    return add_mirrored(number, expires_at=NOW - timedelta(days=days_ago), upstream_checked_at=checked_at)


def found(limit: int) -> list[object]:
    return [candidate.id for candidate in find_candidates(now=NOW, limit=limit)]


def test_a_run_reads_no_more_markets_than_it_may_check():
    with connection.cursor() as cursor:
        cursor.execute(MANY, {"now": NOW})
        analyze("markets")
        given = {"now": NOW, "silent_since": NOW, "limit": 20, "half": 10}
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + CANDIDATES, given)
        (plan,) = cursor.fetchone()
    read = [node for node in nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]) if reads(node)]
    assert len(read) >= 3
    for node in read:
        assert node["Actual Rows"] <= 20
        assert node.get("Rows Removed by Filter", 0) <= 20
        assert "Index" in node["Node Type"]


def nodes(plan):
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def reads(node) -> bool:
    return node.get("Relation Name") == "markets"


def test_what_was_checked_before_its_end_counts_as_never_checked():
    """Rechecked while it was open, as one that left the list is; now it is over."""
    checked_before = ended(1, days_ago=2, checked_days_ago=3)
    never = ended(2, days_ago=1)
    checked_since = ended(3, days_ago=9, checked_days_ago=8)
    assert set(found(4)) == {checked_before.pk, never.pk}
    assert set(found(6)) == {checked_before.pk, never.pk, checked_since.pk}


def test_those_checked_since_their_end_come_again_longest_ago_first():
    markets = [ended(number, days_ago=20, checked_days_ago=number) for number in range(1, 7)]
    assert found(6) == [market.pk for market in reversed(markets[3:])]


def test_what_has_not_ended_is_not_checked():
    add_mirrored(1, expires_at=NOW + timedelta(seconds=1), odds_updated_at=NOW)
    add_mirrored(2, expires_at=NOW + timedelta(days=1), upstream_checked_at=NOW - timedelta(days=1))
    add_mirrored(3, expires_at=None)
    assert found(10) == []
