"""Ingestion: Polymarket's open markets become ours; nothing is lost, doubled, blanked or written without a reason."""

from datetime import timedelta
from decimal import Decimal
from math import ceil

import pytest
from django.db import IntegrityError, connection

from core.jobs.runs import last_run
from core.models import JobRun
from devtools.simulators.polymarket import Simulator
from markets import prices, tasks
from markets.catalog import STAGE_SIZE
from markets.errors import UpstreamError
from markets.models import Market, MarketEdition
from tests.markets.factories import ingest, polymarket_client, read
from tests.roles import as_owner

pytestmark = pytest.mark.django_db


def rows() -> dict[str, tuple[str, str]]:
    """Every row of `markets` by its condition id, and the transaction that wrote it: a rewritten row changes place."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT polymarket_id, ctid::text, xmin::text FROM markets")
        return {polymarket_id: (place, writer) for polymarket_id, place, writer in cursor.fetchall()}


def stored() -> list[dict]:
    return list(Market.objects.order_by("polymarket_id").defer("search").values())


def test_every_good_market_is_created_and_nothing_else(upstream):
    result = ingest(upstream)
    good = upstream.world.good_markets()
    assert set(Market.objects.values_list("polymarket_id", flat=True)) == {market.condition_id for market in good}
    assert (result["created"], result["updated"], result["unchanged"], result["errors"]) == (len(good), 0, 0, 0)
    listed = sum(len(event.markets) for event in upstream.world.events if not event.closed)
    assert result["total"] == listed
    assert result["skipped"] == listed - len(good) == sum(result["reasons"].values())


def test_what_is_stored_is_what_polymarket_said(upstream):
    ingest(upstream)
    for there in upstream.world.good_markets():
        here = Market.objects.get(polymarket_id=there.condition_id)
        assert here.this_odds == there.gamma_price
        assert here.this_odds + here.that_odds == 1
        assert (here.this_option, here.that_option) == there.outcomes
        assert (here.this_token_id, here.that_token_id) == there.tokens
        assert (here.title, here.event_title) == (there.question, there.event.title)
        assert here.volume_24hr == round(Decimal(str(there.volume24hr)), 2)
        assert here.expires_at == (there.ends_at and there.ends_at.replace(microsecond=here.expires_at.microsecond))
        assert here.accepting_orders == (there.accepting is not False)
        assert (here.status, here.resolution, here.market_type) == ("open", None, "polymarket")
        assert here.category == here.category.lower()


def test_the_run_is_kept_with_its_result_and_times(upstream):
    result = ingest(upstream)
    run = last_run(tasks.INGEST)
    assert run.status == JobRun.Status.SUCCEEDED
    assert run.result == result
    assert run.started_at <= run.finished_at


def test_the_limit_takes_those_of_the_events_with_most_volume(upstream):
    assert ingest(upstream, limit=10)["created"] == 10
    best = {market.event.id for market in upstream.world.good_markets()[:10]}
    assert set(Market.objects.values_list("event__polymarket_id", flat=True)) == best


def test_the_same_data_again_rewrites_no_row(upstream):
    first = ingest(upstream)
    before, facts = rows(), stored()
    second = ingest(upstream)
    assert (second["created"], second["updated"], second["unchanged"]) == (0, 0, first["created"])
    assert rows() == before
    assert stored() == facts


def test_only_what_changed_is_written(upstream):
    ingest(upstream)
    before = rows()
    one = upstream.world.good_markets()[0]
    one.set_price(Decimal("0.37"))
    result = ingest(upstream)
    assert (result["created"], result["updated"]) == (0, 1)
    assert {key for key, row in rows().items() if row != before[key]} == {one.condition_id}
    assert Market.objects.get(polymarket_id=one.condition_id).this_odds == Decimal("0.3700")


def test_odds_updated_at_moves_with_the_odds_alone(upstream, now):
    ingest(upstream, now=now)
    first, second = upstream.world.good_markets()[:2]
    first.set_price(Decimal("0.37"))
    second.set_volume(123_456)
    later = now + timedelta(minutes=5)
    ingest(upstream, now=later)
    moved = Market.objects.get(polymarket_id=first.condition_id)
    stayed = Market.objects.get(polymarket_id=second.condition_id)
    assert (moved.odds_updated_at, moved.updated_at) == (later, later)
    assert (stayed.odds_updated_at, stayed.updated_at) == (now, later)


def test_five_hundred_markets_take_at_most_ten_statements(settings, now):
    with Simulator(seed=3, events=260) as upstream:
        seen: list[str] = []

        def count(execute, sql, params, many, context):
            # The run's own row and its lock come on top, whatever the number of markets.
            if "market" in sql and "job_runs" not in sql:
                seen.append(sql)
            return execute(sql, params, many, context)

        for expected_copies in (1, 2):
            seen.clear()
            with connection.execute_wrapper(count):
                result = ingest(upstream, limit=500, now=now)
            assert result["created"] + result["updated"] + result["unchanged"] >= 500
            assert ceil(500 / STAGE_SIZE) == 1
            assert len(seen) + expected_copies <= 10, seen
            upstream.world.tick(5)


def test_a_failed_second_page_leaves_everything_as_it_was():
    with Simulator(seed=8, events=150) as large:
        ingest(large)
        before, editions = stored(), MarketEdition.objects.count()
        large.world.tick(3)
        large.requests.clear()
        # The first page comes; every further one is the first again, which the client notices.
        large.faults.set("repeat_cursor", path="/events/keyset")
        with pytest.raises(UpstreamError):
            ingest(large)
        assert len(large.requests.to("/events/keyset")) >= 2
        assert stored() == before
        assert MarketEdition.objects.count() == editions
        run = last_run(tasks.INGEST)
        assert (run.status, run.result) == (JobRun.Status.FAILED, None)
        assert run.error.startswith("Upstream")
        large.faults.clear()
        assert ingest(large)["updated"] > 0
        assert last_run(tasks.INGEST).status == JobRun.Status.SUCCEEDED


@pytest.mark.parametrize("kind", ["html", "broken_json", "wrong_shape", "reset"])
def test_an_upstream_that_talks_nonsense_changes_nothing_and_the_next_run_recovers(upstream, kind):
    ingest(upstream)
    before = stored()
    upstream.world.tick(2)
    upstream.faults.set(kind, path="/events/keyset")
    with pytest.raises(UpstreamError):
        ingest(upstream)
    assert stored() == before
    assert last_run(tasks.INGEST).status == JobRun.Status.FAILED
    upstream.faults.clear()
    assert ingest(upstream)["errors"] == 0


def test_a_run_that_fails_while_requesting_single_markets_changes_nothing(upstream):
    ingest(upstream)
    upstream.world.good_markets()[0].close()
    upstream.world.tick(2)
    before = stored()
    upstream.faults.set("status", status=503, path="/markets/keyset")
    with pytest.raises(UpstreamError):
        ingest(upstream)
    assert stored() == before


def test_a_run_that_fails_while_it_is_applied_changes_nothing(upstream):
    ingest(upstream)
    before = stored()
    upstream.world.tick(2)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE market_editions ADD CONSTRAINT no_more_editions CHECK (id < 0) NOT VALID")
    with pytest.raises(IntegrityError, match="no_more_editions"):
        ingest(upstream)
    assert stored() == before
    assert last_run(tasks.INGEST).status == JobRun.Status.FAILED


def test_malformed_objects_are_counted_and_never_fatal(upstream):
    upstream.faults.set("malformed", path="/events/keyset")
    result = ingest(upstream)
    good = {market.condition_id for market in upstream.world.good_markets()}
    found = set(Market.objects.values_list("polymarket_id", flat=True))
    assert good <= found
    assert result["errors"] > 10
    assert result["total"] == result["created"] + result["skipped"] + result["errors"]
    assert result["errors"] + result["skipped"] == sum(result["reasons"].values())


def test_malformed_objects_never_spoil_a_known_market(upstream):
    ingest(upstream)
    good = {market.condition_id for market in upstream.world.good_markets()}
    before = {row["polymarket_id"]: row for row in stored()}
    upstream.faults.set("malformed", path="/")
    ingest(upstream)
    assert {row["polymarket_id"]: row for row in stored() if row["polymarket_id"] in good} == before


def test_a_missing_price_never_blanks_a_known_one(upstream, api):
    ingest(upstream)
    one = upstream.world.good_markets()[0]
    known = Market.objects.get(polymarket_id=one.condition_id)
    one.drop_prices()
    result = ingest(upstream)
    assert result["reasons"]["no_price"] >= 1
    now = read(api, f"/{known.pk}")["data"]
    assert (now["status"], now["thisOdds"], now["thatOdds"]) == ("open", known.this_odds, known.that_odds)


def test_a_market_without_a_price_is_not_offered_until_it_has_one(upstream):
    one = upstream.world.good_markets()[0]
    one.drop_prices()
    ingest(upstream)
    assert not Market.objects.filter(polymarket_id=one.condition_id).exists()
    one.set_price(Decimal("0.25"))
    assert ingest(upstream)["created"] == 1
    assert Market.objects.get(polymarket_id=one.condition_id).this_odds == Decimal("0.2500")


def test_a_category_alone_requests_nothing_about_the_others(upstream):
    ingest(upstream)
    upstream.requests.clear()
    upstream.world.good_markets()[0].close()
    ingest(upstream, category="crypto")
    assert upstream.requests.to("/markets/keyset") == []
    assert {call.query["tag_slug"][0] for call in upstream.requests.to("/events/keyset")} == {"crypto"}


@pytest.mark.parametrize(("category", "tag"), [("culture", "pop-culture"), ("sports", "sports")])
def test_a_category_reads_the_events_of_its_tag_and_keeps_its_own_markets(upstream, category, tag):
    result = ingest(upstream, category=category)
    assert upstream.requests.to("/events/keyset")[0].query["tag_slug"] == [tag]
    assert result["created"] > 0
    assert set(Market.objects.values_list("category", flat=True)) == {category}


def test_categories_are_lower_case_and_derived_before_they_are_filtered(upstream):
    """Lesson 27."""
    ingest(upstream)
    by_category = dict(Market.objects.values_list("polymarket_id", "category"))
    assert all(category == category.lower() for category in by_category.values())
    culture = {m.condition_id for m in upstream.world.good_markets() if by_category[m.condition_id] == "culture"}
    assert culture
    Market.objects.all().delete()
    ingest(upstream, category="culture")
    assert set(Market.objects.values_list("polymarket_id", flat=True)) == culture


def test_catalogue_odds_do_not_replace_fresher_ones_of_the_order_book(upstream, now):
    ingest(upstream, now=now)
    one = upstream.world.good_markets()[0]
    here = Market.objects.get(polymarket_id=one.condition_id)
    prices.watch_markets([here.pk], until=now + timedelta(hours=1))
    one.set_price(Decimal("0.91"), gamma=False)
    tasks.run_odds_refresh(client=polymarket_client(upstream), now=now + timedelta(minutes=1))
    one.set_volume(99_999)
    ingest(upstream, now=now + timedelta(minutes=2))
    here.refresh_from_db()
    assert here.this_odds == Decimal("0.9100")
    assert here.odds_updated_at == now + timedelta(minutes=1)
    assert here.volume_24hr == 99_999
    ingest(upstream, now=now + timedelta(minutes=10))
    here.refresh_from_db()
    assert here.this_odds == one.gamma_price != Decimal("0.9100")
    assert here.odds_updated_at == now + timedelta(minutes=10)


def test_a_market_listed_twice_is_one_market(upstream):
    """The same object in two events: the first place counts."""
    one, other = upstream.world.events[0], upstream.world.events[1]
    twin = one.markets[0]
    with upstream.world.clock.lock:
        other.markets.append(twin)
        other.touch()
        upstream.world.clock.ordering += 1
    result = ingest(upstream)
    assert Market.objects.filter(polymarket_id=twin.condition_id).count() == 1
    assert result["created"] == Market.objects.count()
    assert ingest(upstream)["updated"] == 0
