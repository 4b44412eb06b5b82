"""A process that settles is killed at any moment, or its database is: what it did stays, what it didn't is done later."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from betting.models import Bet, Settlement
from economy.models import CreditTransaction
from markets.models import Market
from tests.betting.factories import assert_audit_passes
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, figures, settle
from tests.concurrently import wait_until
from tests.databases import with_database
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db(transaction=True)
REPOSITORY = Path(__file__).resolve().parent.parent.parent.parent
KILLS, BETS, USERS, BATCH = 25, 51_000, 3_400, 1_000
WON, LOST = BETS * 2 // 3, BETS // 3
PAID = WON * Decimal("16.66")


class Worker:
    """A program that settles as often as it is told, in a new process each time."""

    def __init__(self, url: str) -> None:
        environment = {**os.environ, "DATABASE_URL": url}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.betting.settlement.killable_worker"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def begin(self, market: Market, size: int = BATCH) -> int:
        """The process that settles now."""
        self.process.stdin.write(f"{market.pk} {size}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def exit_code(self) -> int:
        """Waits for the end of what was begun."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


@contextmanager
def worker(url: str) -> Iterator[Worker]:
    working = Worker(url)
    try:
        yield working
    finally:
        working.close()


def this_database() -> str:
    return with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])


def add_ended_market(number: int) -> Market:
    market = add_market(slug=f"market-{number}")
    place_many(market, BETS)
    end(market, "this")
    return market


def left(market: Market) -> int:
    return Bet.objects.filter(market=market, status="pending").count()


def check_paid_once(market: Market) -> None:
    row = Settlement.objects.get(market=market)
    assert (row.won, row.lost, row.paid) == (WON, LOST, PAID)
    assert row.finished_at
    paid = CreditTransaction.objects.filter(
        transaction_type="bet_payout", reference_id__in=Bet.objects.filter(market=market).values("pk")
    )
    assert paid.count() == WON
    assert len(set(paid.values_list("reference_id", flat=True))) == WON


def test_killed_at_any_moment_it_goes_on_later_and_pays_everybody_once():
    dice = random.Random(20261122)
    add_users(USERS)
    markets = [add_ended_market(0)]
    kills = midway = 0
    with worker(this_database()) as working:
        while kills < KILLS:
            if not left(markets[-1]):
                markets.append(add_ended_market(len(markets)))
            begun = left(markets[-1])
            child = working.begin(markets[-1])
            if kills % 2:
                wait_until(lambda begun=begun: left(markets[-1]) < begun)
            time.sleep(dice.uniform(0.0, 0.15 if kills % 2 == 0 else 0.03))
            os.kill(child, signal.SIGKILL)
            # One that was done already wasn't killed at work, and doesn't count.
            if working.exit_code() == -signal.SIGKILL and left(markets[-1]):
                kills += 1
                midway += left(markets[-1]) < begun
    assert midway >= KILLS // 3, "the kills came before anything was done"
    for market in markets:
        settle(market, size=BATCH)
        check_paid_once(market)
    assert_audit_passes()


def test_a_worker_that_is_left_alone_settles_it_all():
    add_users(USERS)
    market = add_ended_market(0)
    with worker(this_database()) as working:
        working.begin(market)
        assert working.exit_code() == 0
    check_paid_once(market)
    assert figures(settle(market))[:2] == (WON, LOST)
    assert_audit_passes()
