"""Placing bets and selling them. Prices are found first, with no transaction open; then one short one books.

Locks are taken in one order: market (shared), user, bet. The functions that book run inside the caller's transaction,
which `common.idempotency` opens; `clock` tells the time once all locks are held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import connection

from betting.offers import Offer, check_takes_orders, lock_offer
from betting.orders import Order
from betting.prices import Clock, Price, check_age, current_price, locked_price
from betting.pricing import potential_payout
from betting.rendering import render_new
from betting.rules import WATCH_NOTED_SECONDS, WATCHED_FOR, quote_max_age
from core.api.errors import DomainError
from core.db.sql import new_id
from economy import ledger
from economy.ledger import Transfer
from economy.models import TransactionType
from markets.services import watch_markets


class OddsMoved(DomainError):
    code = "odds_moved"
    message = "The odds have moved beyond what you asked for."


@dataclass(frozen=True, slots=True)
class Intent:
    """An order, the market that it names, and the price found for it."""

    order: Order
    offer: Offer
    price: Price


@dataclass(frozen=True, slots=True)
class Placed:
    """The bet as the contract shows it, and the user's balance after it."""

    bet: dict[str, Any]
    balance: Decimal
    payout: Decimal


def price_order(order: Order, offer: Offer, *, now: datetime, before_asking: Callable[[], None]) -> Intent:
    """Asks Polymarket where its odds aren't known young enough; `before_asking` may refuse that.

    Raises MarketNotOpen, MarketExpired, MarketNotAccepting, PriceUnavailable.
    """
    check_takes_orders(offer, now=now)
    return Intent(order, offer, current_price(offer, now=now, before_asking=before_asking))


def check_bounds(order: Order, odds: Decimal) -> None:
    too_low = order.min_odds is not None and odds < order.min_odds
    if too_low or (order.max_odds is not None and odds > order.max_odds):
        raise OddsMoved(f"The odds are {odds} now.")


def quote(intent: Intent, *, now: datetime) -> dict[str, Any]:
    """What the bet would be; `validFor`: whole seconds that the price is good for. Raises OddsMoved."""
    amount, odds = intent.order.amount, intent.price.of(intent.order.side)
    check_bounds(intent.order, odds)
    payout = potential_payout(amount, odds)
    as_of = intent.price.as_of or now
    left = as_of + quote_max_age() - now
    return {
        "odds": odds,
        "potentialPayout": payout,
        "profit": payout - amount,
        "asOf": as_of,
        "validFor": max(0, int(left.total_seconds())),
    }


# In the statement that moves the credits: there is a bet where they moved, and none where not.
INSERT_BET = """
placed AS (
    INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, potential_payout, placed_at)
    SELECT %(id)s, user_id, %(market_id)s, %(side)s, %(amount)s, %(odds_at_bet)s, %(potential_payout)s, now FROM moved
)
"""


def place_bet(intent: Intent, *, user_id: UUID, clock: Clock) -> Placed:
    """Takes the stake and writes the bet, in one statement, at the price that was found, if that is still good.

    Raises InsufficientCredits, MarketNotFound, MarketNotOpen, MarketExpired, MarketNotAccepting, OddsMoved,
    PriceUnavailable.
    """
    offer = lock_offer(intent.offer.id)
    now = clock()
    check_takes_orders(offer, now=now)
    price = locked_price(offer, intent.price)
    odds = price.of(intent.order.side)
    check_bounds(intent.order, odds)
    bet = terms(intent.order, offer, odds, user_id)
    posted = ledger.post(stake_of(bet), now=now, also=INSERT_BET, parameters=bet)
    check_age(price, now=clock())
    return Placed(render_new(bet, offer, placed_at=now), posted.balance_after, bet["potential_payout"])


def terms(order: Order, offer: Offer, odds: Decimal, user_id: UUID) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "market_id": offer.id,
        "side": order.side,
        "amount": order.amount,
        "odds_at_bet": odds,
        "potential_payout": potential_payout(order.amount, odds),
    }


def stake_of(bet: dict[str, Any]) -> Transfer:
    return Transfer(
        user_id=bet["user_id"],
        amount=-bet["amount"],
        staked=bet["amount"],
        transaction_type=TransactionType.BET_PLACED,
        reference_id=bet["id"],
        description="Bet placed",
    )


def watch(offer: Offer, *, now: datetime) -> None:
    """Has the odds of a market with bets kept fresh. Written now and then, however many bets come; no transaction."""
    if not offer.is_house and cache.add(f"bet-on:{offer.id}", 1, timeout=WATCH_NOTED_SECONDS):
        watch_markets([offer.id], until=now + WATCHED_FOR)


# A loose index scan: one look-up a market with open bets, however many bets there are.
MARKETS_WITH_OPEN_BETS = """WITH RECURSIVE open AS (
    (SELECT market_id FROM bets WHERE status = 'pending' ORDER BY market_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT bets.market_id FROM bets WHERE status = 'pending' AND bets.market_id > open.market_id
        ORDER BY bets.market_id LIMIT 1
    ) FROM open WHERE open.market_id IS NOT NULL
)
SELECT market_id FROM open JOIN markets ON markets.id = market_id
WHERE markets.status = 'open' AND markets.market_type = 'polymarket'
"""


def watch_open_bets(*, now: datetime) -> int:
    """Has the odds of all markets with open bets kept fresh until the next sweep; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(MARKETS_WITH_OPEN_BETS)
        markets = [market_id for (market_id,) in cursor.fetchall()]
    watch_markets(markets, until=now + WATCHED_FOR)
    return len(markets)
