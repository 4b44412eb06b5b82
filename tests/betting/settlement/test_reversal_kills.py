"""A process that undoes a settlement is killed at any moment: nothing is half undone, and it can be done again."""

import os
import random
import signal
import time

import pytest
from django.db import connection
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting.models import Settlement
from betting.reversal import reverse_settlement
from economy.models import CreditTransaction
from markets.models import Market
from tests.betting.factories import assert_audit_passes
from tests.betting.settlement.bulk import add_users, place_many
from tests.betting.settlement.factories import end, settle
from tests.betting.settlement.test_kills import left, this_database, worker
from tests.concurrently import wait_until
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market
from tests.roles import as_superuser

pytestmark = pytest.mark.django_db(transaction=True)
BETS, USERS, KILLS = 9_000, 900, 6
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
UNDOING = f"{OTHERS} AND backend_xid IS NOT NULL"


def number_of(asked: str) -> int:
    with as_superuser(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(asked)
        return cursor.fetchone()[0]


def state(market: Market) -> tuple[str, int, int, int, int]:
    """What undoing changes: the market, its open bets, the ledger, the settlement and the record."""
    return (
        Market.objects.get(pk=market.pk).status,
        left(market),
        CreditTransaction.objects.filter(transaction_type="settlement_reversal").count(),
        Settlement.objects.filter(reversed_at__isnull=False).count(),
        staff_actions().count(),
    )


def test_killed_at_any_moment_it_has_undone_nothing_and_can_be_done_again():
    dice = random.Random(20261122)
    add_users(USERS)
    market = add_market()
    place_many(market, BETS)
    end(market, "this")
    settle(market)
    with worker(this_database()) as working:
        for _ in range(KILLS):
            child = working.begin(market, size=0)
            wait_until(lambda: number_of(UNDOING))
            time.sleep(dice.uniform(0, 0.1))
            os.kill(child, signal.SIGKILL)
            assert working.exit_code() == -signal.SIGKILL, "it was done before it was killed"
            wait_until(lambda: not number_of(OTHERS))
            assert state(market) == ("resolved", 0, 0, 0, 0)
    assert_audit_passes()
    done = reverse_settlement(market_id=market.pk, by=COMMAND_LINE, reason="Wrong.", now=timezone.now())
    assert (done.bets, done.users) == (BETS, USERS)
    assert state(market) == ("closed", BETS, BETS * 2 // 3, 1, 1)
    end(market, "that")
    assert settle(market).won == BETS // 3
    assert_audit_passes()
