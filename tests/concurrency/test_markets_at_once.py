"""Ingestion, resolution and fresh odds at once, on the same markets: nobody fails, nothing that ended comes back."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random

import pytest
from django.db import transaction

from core.jobs.runs import last_run
from markets import prices, tasks
from markets.models import Market
from markets.polymarket.books import ShownPrices
from tests.betting.factories import execute
from tests.concurrency.test_bets_at_once import waiting
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.markets.factories import ingest, polymarket_client

pytestmark = pytest.mark.django_db(transaction=True)
LOCK = "SELECT id FROM markets WHERE id = %s FOR UPDATE NOWAIT"


@contextmanager
def ingestion_of_other_prices(upstream, first: Market) -> Iterator[Future]:
    """All prices have changed; an ingestion waits for the market, whose row this transaction holds until the end."""
    for market in upstream.world.good_markets():
        market.set_price(Decimal("0.1234"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            execute(LOCK, first.pk)
            run = pool.submit(in_thread, lambda: ingest(upstream))
            wait_until(waiting)
            yield run
        run.result(20)


def test_ingestion_that_waits_for_a_market_holds_none_behind_it(upstream):
    """So whoever has one market and wants those behind it, as a batch of resolutions does, never waits in a circle."""
    first, *others = Market.objects.order_by("pk")
    with ingestion_of_other_prices(upstream, first):
        for market in others:
            assert execute(LOCK, market.pk) == 1
    assert set(Market.objects.values_list("this_odds", flat=True)) == {Decimal("0.1234")}


def test_a_market_that_ends_while_ingestion_waits_for_it_stays_as_it_ended(upstream):
    market = Market.objects.order_by("pk").first()
    ended = {"status": "resolved", "resolution": "this", "resolved_at": datetime.now(UTC)}
    with ingestion_of_other_prices(upstream, market) as run:
        Market.objects.filter(pk=market.pk).update(**ended)
    assert run.result()["updated"] == Market.objects.count() - 1
    market.refresh_from_db()
    assert (market.status, market.resolution) == ("resolved", "this")
    assert market.this_odds != Decimal("0.1234")


def test_odds_that_came_from_the_order_book_while_ingestion_waits_are_kept(upstream):
    market = Market.objects.order_by("pk").first()
    with ingestion_of_other_prices(upstream, market):
        heard = ShownPrices(odds=Decimal("0.3000"), bid=Decimal("0.2900"), ask=Decimal("0.3100"))
        prices.store_prices([prices.Heard(market.pk, prices.tokens_of(market), heard)], now=datetime.now(UTC))
    market.refresh_from_db()
    assert (market.this_odds, market.odds_live) == (Decimal("0.3000"), True)
    assert (market.bid, market.ask) == (Decimal("0.2900"), Decimal("0.3100"))


def test_ingestion_and_resolution_at_once_never_fail_and_what_ended_stays_so(upstream):
    dice, roles = Random(5), count()

    def act() -> None:
        turn, client, now = next(roles) % 3, polymarket_client(upstream), datetime.now(UTC)
        if turn == 0:
            ingest(upstream)
        elif turn == 1:
            tasks.run_resolution(client=client, now=now, limit=100)
        else:
            tasks.run_odds_refresh(client=client, now=now)

    theirs = upstream.world.good_markets()
    Market.objects.update(expires_at=datetime.now(UTC) - timedelta(hours=1))
    for _ in range(4):
        for market in dice.sample(theirs, 20):
            market.set_price(Decimal(dice.randrange(2_000, 8_000)) / 10_000)
        for market in theirs[:8]:
            market.resolve("this")
        del theirs[:8]
        execute("UPDATE markets SET upstream_checked_at = NULL, odds_live = false")
        all_at_once(act, 3)
        for job in (tasks.INGEST, tasks.RESOLVE):
            assert last_run(job).status == "succeeded"
    tasks.run_resolution(client=polymarket_client(upstream), now=datetime.now(UTC), limit=100)
    assert Market.objects.filter(status="resolved", resolution="this").count() == 32
    ingest(upstream)
    assert Market.objects.filter(status="resolved", resolution="this").count() == 32
