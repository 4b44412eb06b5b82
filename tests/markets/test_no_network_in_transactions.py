"""Polymarket may take its time: no transaction, and so no lock, waits for it."""

from datetime import UTC, datetime

import pytest
import requests
from django.db import connection

from markets import prices, tasks
from markets.models import Market
from markets.polymarket.client import PolymarketClient
from tests.markets.factories import BRISK, add_mirrored

pytestmark = pytest.mark.django_db(transaction=True)


class Watchful(requests.Session):
    """A real session that notes whether a transaction was open when it was used."""

    def __init__(self) -> None:
        super().__init__()
        self.inside_a_transaction: list[bool] = []

    def send(self, request, **options):
        self.inside_a_transaction.append(connection.in_atomic_block)
        return super().send(request, **options)


@pytest.fixture
def session() -> Watchful:
    return Watchful()


@pytest.fixture
def client(upstream, session) -> PolymarketClient:
    return PolymarketClient(gamma_url=upstream.gamma_url, clob_url=upstream.clob_url, policy=BRISK, session=session)


def test_polymarket_is_never_requested_inside_a_transaction(client, session):
    now = datetime.now(UTC)
    gone = add_mirrored()
    tasks.run_ingestion(client=client, limit=40, recheck_limit=10, now=now)
    market = Market.objects.exclude(pk=gone.pk).first()
    prices.watch_markets([market.pk], until=datetime(2100, 1, 1, tzinfo=UTC))
    tasks.run_odds_refresh(client=client, now=now)
    prices.live_odds(market, client=client, now=now)
    # Pages of events, the market that left the list (closed? open?), watched odds, live odds.
    assert len(session.inside_a_transaction) >= 5
    assert not any(session.inside_a_transaction)
