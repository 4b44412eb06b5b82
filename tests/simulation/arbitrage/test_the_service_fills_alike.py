"""What is simulated without a network and a database is what the service does with both, to the cent."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count, islice
from random import Random
from typing import Any

import pytest

from betting.models import Bet
from markets import rules
from markets.models import Market
from tests.betting.factories import Player, assert_audit_passes, sign_up
from tests.betting.settlement.factories import end, settle
from tests.economy.factories import give
from tests.simulation.arbitrage.bettors import (
    Bettor,
    dust_placer,
    honest,
    leftovers_seller,
    splitter,
    watcher,
    wide_picker,
)
from tests.simulation.arbitrage.conftest import SEED, life
from tests.simulation.arbitrage.exchange import Exchange, Trade
from tests.simulation.arbitrage.upstream import Book, Life, as_text

pytestmark = pytest.mark.django_db
BETTORS: tuple[Bettor, ...] = (honest, watcher, dust_placer, wide_picker, leftovers_seller, splitter)
MARKETS, TRADES_OF_EACH = 4, 8


@pytest.fixture
def chosen() -> list[Life]:
    """Some markets, and one that is decided 50-50."""
    return [*map(life, range(MARKETS)), next(life(n) for n in count(MARKETS) if life(n).outcome == "invalid")]


def test_trades_fill_sell_and_settle_to_the_cent(chosen, upstream, settings, monkeypatch):
    settings.THROTTLE_ENABLED = False
    monkeypatch.setattr(rules, "FILL_COLLECT_SECONDS", 0.0)
    player = sign_up("ann")
    give(player.id, 1_000_000)
    replayed = 0
    for simulated, there in zip(chosen, upstream.world.good_markets(), strict=False):
        market = Market.objects.get(polymarket_id=there.condition_id)
        trades = list(trades_on(simulated))
        bets = [replay(trade, player, market, there) for trade in trades]
        end(market, simulated.outcome)
        settle(market)
        for trade, bet in zip(trades, bets, strict=True):
            assert Bet.objects.get(pk=bet["id"]).actual_payout == (trade.paid if trade.unsold else None)
        assert player.booked()["locked_credits"] == 0
        replayed += len(trades)
    assert replayed > 150
    assert_audit_passes()


def trades_on(market: Life) -> Iterator[Trade]:
    for bettor in BETTORS:
        plans = bettor(market, Random(f"{bettor.__name__}/{market.number}"))
        yield from islice(Exchange(SEED).fill(market, plans), TRADES_OF_EACH)


def replay(trade: Trade, player: Player, market: Market, there: Any) -> dict[str, Any]:
    """The same bet and the same sales, at the same books, through the API."""
    show(there, *trade.bet.books)
    bet = player.bet(market, str(trade.plan.amount), trade.plan.side)
    assert (bet["oddsAtBet"], bet["potentialPayout"]) == (trade.bet.odds, trade.bet.credits)
    for sale in trade.sales:
        show(there, *sale.books)
        sold = player.sell(bet, str(sale.part))
        assert (sold["bet"]["currentOdds"], sold["creditsReturned"]) == (sale.odds, sale.credits)
    return bet


def show(there: Any, this: Book | None, that: Book | None) -> None:
    """Have the simulated upstream show these books of the two tokens."""
    own, other = orders(this or Book()), orders(that or Book())
    mirrored = {side: [(1 - Decimal(price), size) for price, size in levels] for side, levels in other.items()}
    there.set_book(**own, that_bids=mirrored["asks"], that_asks=mirrored["bids"])


def orders(book: Book) -> dict[str, list[tuple[str, int]]]:
    return {side: [(as_text(price), size) for price, size in getattr(book, side)] for side in ("bids", "asks")}
