"""The service as it is served, with a simulated Polymarket, a stock, and users of every kind."""

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from core.db.transactions import run_transaction
from devtools.simulators.polymarket import Simulator
from economy.stocks.prices import ListedStock, list_stock
from tests.betting.factories import sign_up
from tests.fuzzing.fuzzer import Client
from tests.markets.factories import add_market, clear_clients, ingest
from tests.ops.conftest import *  # noqa: F403 - the same processes
from tests.ops.servers import Web


@pytest.fixture
def served(database: str, running: Callable[..., Web], settings) -> Iterator[SimpleNamespace]:
    """`web` and `clients`. Throttles are off, and no process but the web server runs."""
    clear_clients()
    with Simulator(seed=7, events=24) as simulator:
        upstream = {"POLYMARKET_GAMMA_URL": simulator.gamma_url, "POLYMARKET_CLOB_URL": simulator.clob_url}
        settings.POLYMARKET_GAMMA_URL, settings.POLYMARKET_CLOB_URL = upstream.values()
        ingest(simulator)
        add_market()
        listed = ListedStock("ACME", "Acme", "Makes things.", "10", 1_000, 5)
        run_transaction(partial(list_stock, listed, now=timezone.now()))
        # With passwords that no request hits upon: without one they could delete their accounts, and be out.
        ann, bob = (sign_up(name, password=f"the long sentence of {name}") for name in ("ann", "bob"))
        ann.bet(add_market(title="Urn"), 100)
        boss = User.objects.create_superuser(email="boss@example.com", username="boss")
        web = running(
            Web,
            DATABASE_URL=database,
            DEBUG="true",
            LOG_LEVEL="ERROR",
            SECRET_KEY=django_settings.SECRET_KEY,
            STOCK_SIGNING_KEYS=",".join(f"{name}:{key}" for name, key in django_settings.STOCK_SIGNING_KEYS.items()),
            JWT_ACCESS_SECRET=django_settings.SIMPLE_JWT["SIGNING_KEY"],
            JWT_ACCESS_EXPIRES_IN="7d",
            THROTTLE_ENABLED="false",
            PUBLIC_CACHE_SECONDS="0",
            PURCHASES_ALLOW_SIMULATED="true",
            **upstream,
        )
        yield SimpleNamespace(
            web=web,
            clients=[
                Client("nobody"),
                Client("user", {"ann": ann.token, "bob": bob.token}),
                Client("staff", {"boss": str(AccessToken.for_user(boss))}),
                Client("garbage", garbage=True),
            ],
        )
    clear_clients()
