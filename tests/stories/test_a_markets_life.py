"""Markets from their first ingestion to the last payout: through HTTP, the scheduled tasks, and the simulator."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting import tasks as betting_tasks
from devtools.simulators.polymarket import Simulator
from markets import tasks as market_tasks
from markets.models import Market
from markets.resolution import staff as staff_decisions
from tests.betting.factories import assert_audit_passes, set_book, sign_up
from tests.betting.settlement.factories import worth
from tests.markets.factories import clear_clients

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def polymarket(settings) -> Iterator[Simulator]:
    clear_clients()
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        market_tasks.ingest()
        yield simulator
    clear_clients()


def price(upstream, bid, ask):
    """The order book moves, and what was stored of it is old."""
    set_book(upstream, bid, ask)
    Market.objects.filter(polymarket_id=upstream.condition_id).update(odds_updated_at=timezone.now().replace(year=2020))
    cache.clear()


def minutes_pass():
    """Run each periodic job."""
    market_tasks.ingest()
    market_tasks.resolve()
    betting_tasks.settle_markets()


def shown(player, bets):
    return [(bet["status"], bet["actualPayout"]) for bet in map(player.show, bets)]


def test_bets_on_three_markets_that_end_in_three_ways(polymarket):
    ann, bob = sign_up("ann"), sign_up("bob")
    there = [market for market in polymarket.world.good_markets() if market.uma_status is None][:3]
    disputed, even, _ = there
    mirrored = [Market.objects.get(polymarket_id=market.condition_id) for market in there]

    # Both sides of each; then the price moves, and some is sold.
    for market in there:
        price(market, "0.3900", "0.4000")
    ann_bets = [ann.bet(market, 100, "this") for market in mirrored]
    for market in there:
        price(market, "0.4000", "0.4100")
    bob_bets = [bob.bet(market, 60, "that") for market in mirrored]
    price(disputed, "0.5000", "0.5100")
    sale = ann.sell(ann_bets[0], "40")
    assert (sale["creditsReturned"], sale["newBalance"]) == (50, 750)
    assert worth(ann) == (750, 260, 10, 300)
    assert worth(bob) == (820, 180, 0, 180)

    # Proposed for THIS, then disputed: nothing is paid, whatever the price says.
    disputed.propose("this")
    minutes_pass()
    disputed.dispute()
    minutes_pass()
    assert shown(ann, ann_bets[:1]) == [("pending", None)]
    assert_audit_passes()

    # Resolved the other way after all; the second ends 50-50; staff void the third.
    disputed.resolve("that")
    even.resolve("50-50")
    staff_decisions.void_market(
        market_id=mirrored[2].pk, reason="Nobody can tell.", by=COMMAND_LINE, now=timezone.now()
    )
    minutes_pass()
    assert shown(ann, ann_bets) == [("lost", 0), ("cancelled", 100), ("cancelled", 100)]
    assert shown(bob, bob_bets) == [("won", 100), ("cancelled", 60), ("cancelled", 60)]
    assert worth(ann) == (950, 0, -50, 300)
    assert worth(bob) == (1040, 0, 40, 180)
    assert sorted(row[:2] for row in ann.ledger_entries()[-2:]) == [("bet_refund", 100), ("bet_refund", 100)]
    assert_audit_passes()

    # Nothing happens twice.
    before = ann.ledger_entries(), bob.ledger_entries()
    minutes_pass()
    assert (ann.ledger_entries(), bob.ledger_entries()) == before
