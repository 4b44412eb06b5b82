"""The price feed as processes: one is killed, then the database, and prices are followed all the same."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from devtools.embedded import postgres
from devtools.simulators.polymarket import Simulator
from tests.core.service_process import PRODUCTION, REPOSITORY
from tests.devtools.conftest import soon
from tests.ops.servers import Process, crash

FEED = [sys.executable, "manage.py", "feed"]
MARKET = "SELECT this_odds, odds_updated_at FROM markets WHERE polymarket_id = %s"
ROW = "SELECT holder, heard_at, tokens, trusted FROM market_feed"


def test_feeds_and_the_database_are_killed_and_prices_go_on(folder, database_server, running, redis_server):
    with Simulator(seed=7, events=8) as upstream:
        redis_server.start()
        environment = {
            "DATABASE_URL": database_server.url,
            "REDIS_URL": redis_server.url,
            "POLYMARKET_GAMMA_URL": upstream.gamma_url,
            "POLYMARKET_CLOB_URL": upstream.clob_url,
            "POLYMARKET_WS_URL": upstream.ws_url,
            "FEED_ENABLED": "true",
            "FEED_MAX_TOKENS": "10",
        }

        def command(name: str) -> int:
            kept = {"DJANGO_READ_DOT_ENV": "false", "PATH": os.environ["PATH"], "VAR_DIR": str(folder)}
            done = subprocess.run(
                [sys.executable, "manage.py", name], cwd=REPOSITORY, env=kept | PRODUCTION | environment,
                check=False, capture_output=True, timeout=60,
            )  # fmt: skip
            return done.returncode

        def query(statement: str, *parameters: object) -> tuple:
            with psycopg.connect(database_server.superuser_url) as connection:
                return connection.execute(statement, parameters).fetchone() or (None,) * 4

        def is_followed(odds: str) -> bool:
            """Whether a market that is fed gets odds that only its order book has."""
            upstream.world.find(fed).set_price(Decimal(odds), gamma=False)
            return soon(lambda: query(MARKET, fed)[0] == Decimal(odds), seconds=20)

        assert command("ingest_markets") == 0
        first = running(Process, FEED, **environment)
        assert soon(lambda: query(ROW)[2:] == (10, 10), seconds=30), first.log
        (fed,) = query("SELECT polymarket_id FROM markets WHERE odds_live ORDER BY volume_24hr DESC LIMIT 1")
        assert is_followed("0.42"), first.log
        second = running(Process, FEED, **environment)
        (holder, *_) = query(ROW)

        first.process.kill()
        killed_at = time.monotonic()
        assert soon(lambda: query(ROW)[0] != holder, seconds=30), second.log
        assert time.monotonic() - killed_at < 20
        assert is_followed("0.43"), second.log

        crash(folder)
        upstream.world.find(fed).set_price(Decimal("0.44"), gamma=False)
        again = postgres.start(folder)
        try:
            assert soon(lambda: query(MARKET, fed)[0] == Decimal("0.44"), seconds=30), second.log
            assert query(MARKET, fed)[1] < datetime.now(UTC)
            assert command("feed_alive") == 0

            second.process.terminate()
            stopped_at = time.monotonic()
            assert second.process.wait(10) == 0
            assert time.monotonic() - stopped_at < 3
            assert command("feed_alive") == 1
            assert second.said("Traceback") == 0
            assert database_server.url not in first.log + second.log
        finally:
            again.stop()
