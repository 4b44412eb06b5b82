"""Use cases: place a bet, sell one, keep the odds of markets with bets fresh, and tell users which of these end soon.

Prices are found first, with no transaction open (`betting.pricing`); then one short transaction books. Locks are taken
in one order: market (shared; exclusively where each bet moves its price), user, bet. The functions that book run inside
the caller's transaction, which `core.api.idempotency` opens; `clock` returns the time once all locks are held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.core.cache import cache

from betting import rules
from betting.errors import AmountExceedsStake, BetNotFound, BetNotSellable, PositionChanged
from betting.makers import AFTER_SALE, WITH_BET, Maker, average_got, average_paid, change_by, lock_with_maker
from betting.models import Bet
from betting.orders import MarketSnapshot, Order, lock_market_snapshot
from betting.pricing import (
    LOCK_POSITION,
    Position,
    PricedOrder,
    PricedSale,
    buy_on_curve,
    fetch_position,
    locked_price,
    position_value,
    potential_payout,
    price_impact,
    sell_on_curve,
    shares_value,
)
from betting.selectors import get_bet
from betting.serializers import BetSerializer
from core.api.json import dumps
from core.db.sql import execute, fetch_all, fetch_value, new_id
from core.db.transactions import run_transaction
from core.events import log_event, short
from economy import ledger
from economy.ledger import Transfer
from economy.models import TransactionType
from markets.changes import publish_odds
from markets.models import Market
from markets.prices import watch_markets
from notifications.services import notify_from

CLOSING_BATCH = 5_000
# Returns the current time; called again after waiting for locks.
Clock = Callable[[], datetime]


# -- Placing


@dataclass(frozen=True, slots=True)
class PlacedBet:
    """The bet as the contract shows it, the user's balance after it, and what the bet may pay."""

    bet: dict[str, Any]
    balance: Decimal
    payout: Decimal


# What every bet is when it is placed. Made once: an instance for each bet would cost more than all that renders it.
NEW_BET = Bet(sold_amount=Decimal("0.00"), sold_payout=Decimal("0.00"))
# In the statement that moves the credits: there is a bet where they moved, and none where not.
INSERT_BET = """
placed AS (
    INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, on_curve, placed_at)
    SELECT %(id)s, user_id, %(market_id)s, %(side)s, %(amount)s, %(odds_at_bet)s, %(shares)s, %(on_curve)s, now
    FROM moved
)
"""


def place_bet(*, priced: PricedOrder, user_id: UUID, clock: Clock) -> PlacedBet:
    """Take the stake and write the bet, in one statement, at the price that was found, if that is still good.

    Raises InsufficientCredits, MarketNotFound, MarketNotOpen, MarketExpired, MarketNotAccepting, OddsMoved,
    MarketIlliquid, PriceUnavailable, SlippageTooHigh.
    """
    market, maker = lock_market(priced.market)
    now = clock()
    market.ensure_takes_orders(now=now)
    market.ensure_same_sides(priced.market)
    if maker:
        terms, balance = take_bet_on_curve(priced.order, market, maker, user_id=user_id, now=now)
    else:
        price = locked_price(market, priced.price)
        odds = price.to_buy(priced.order.side)
        priced.order.ensure_within_bounds(odds)
        shares = potential_payout(priced.order.amount, odds)
        terms = bet_terms(priced.order, market, odds, shares, user_id=user_id, now=now)
        balance = ledger.post(stake_transfer(terms), now=now, also=INSERT_BET, parameters=terms).balance_after
        price.ensure_fresh(now=clock())
    odds = terms["odds_at_bet"]
    ids = {"betId": terms["id"], "userId": user_id, "marketId": market.id}
    log_event(
        "a user placed %s on %s of %s at %s", terms["amount"], terms["side"].upper(), short(market.title), odds, **ids
    )
    return PlacedBet(render_placed_bet(terms, market), balance, terms["shares"])


def lock_market(read: MarketSnapshot) -> tuple[MarketSnapshot, Maker | None]:
    """Return the market as it stays until the transaction ends, with the maker of one whose price a bet moves.

    Such a market nobody else holds; others many hold at once. Raises MarketNotFound.
    """
    return lock_with_maker(read.id) if read.is_lmsr else (lock_market_snapshot(read.id), None)


def take_bet_on_curve(
    order: Order, market: MarketSnapshot, maker: Maker, *, user_id: UUID, now: datetime
) -> tuple[dict[str, Any], Decimal]:
    """Take a bet on a market maker, and move its price, which `market` then shows; return its terms, and the balance.

    The market is locked exclusively. Raises InsufficientCredits, MarketNotAccepting, OddsMoved, SlippageTooHigh.
    """
    trade = buy_on_curve(order, maker)
    terms = bet_terms(order, market, average_paid(trade), trade.shares, user_id=user_id, now=now)
    change = change_by(trade, order.side, bought=True, stake=order.amount, now=now)
    also, parameters = f"{INSERT_BET}, {WITH_BET}", {**change, **terms}
    entry = ledger.post(stake_transfer(terms), now=now, also=also, parameters=parameters)
    show_moved(market, change)
    return terms, entry.balance_after


def show_moved(market: MarketSnapshot, change: dict[str, Any]) -> None:
    """Have the snapshot show the odds that a trade moved its market to, and publish them after the commit."""
    market.this_odds, market.that_odds = change["this_odds"], change["that_odds"]
    market.odds_updated_at = change["odds_updated_at"]
    publish_odds([market.id])


def bet_terms(
    order: Order, market: MarketSnapshot, odds: Decimal, shares: Decimal, *, user_id: UUID, now: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "market_id": market.id,
        "side": order.side,
        "amount": order.amount,
        "odds_at_bet": odds,
        "shares": shares,
        "on_curve": market.is_lmsr,
        "placed_at": now,
    }


def stake_transfer(terms: dict[str, Any]) -> Transfer:
    return Transfer(
        user_id=terms["user_id"],
        amount=-terms["amount"],
        staked=terms["amount"],
        transaction_type=TransactionType.BET_PLACED,
        reference_id=terms["id"],
        description="Bet placed",
    )


def render_placed_bet(terms: dict[str, Any], market: MarketSnapshot) -> dict[str, Any]:
    """Return a bet that was just placed, without reading it again."""
    odds = market.shown_odds(terms["side"])
    if market.is_lmsr:
        value = shares_value(terms["shares"], current_odds=odds)
    else:
        value = position_value(terms["amount"], current_odds=odds, odds_at_bet=terms["odds_at_bet"])
    computed = {
        "current_odds": odds,
        "current_value": value,
        "remaining_amount": terms["amount"],
        "remaining_payout": terms["shares"],
    }
    return BetSerializer.from_object(NEW_BET, **terms, market=market, **computed)


# -- Selling


@dataclass(frozen=True, slots=True)
class SoldBet:
    """The bet as it is now, what the sale brought, the user's balance, and what the rest of the bet is worth.

    `profit`: the proceeds less the part of the stake that was sold. `price_impact`: `pricing.price_impact`.
    """

    bet: dict[str, Any]
    proceeds: Decimal
    balance: Decimal
    remaining_value: Decimal
    profit: Decimal
    price_impact: Decimal


LOCK_USER = "SELECT credit_balance FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE"
INSERT_SALE = """
WITH sale AS (
    INSERT INTO bet_sales (id, bet_id, occurrence, amount, shares, odds, payout, created_at)
    VALUES (%(id)s, %(bet_id)s, %(occurrence)s, %(amount)s, %(shares)s, %(odds)s, %(payout)s, %(now)s)
)
UPDATE bets SET sold_amount = sold_amount + %(amount)s, sold_shares = sold_shares + %(shares)s,
    sold_payout = sold_payout + %(payout)s, sale_count = sale_count + 1,
    status = CASE WHEN sold_amount + %(amount)s = amount THEN 'sold' ELSE status END,
    resolved_at = CASE WHEN sold_amount + %(amount)s = amount THEN %(now)s END
WHERE id = %(bet_id)s
"""


def sell_bet(*, priced: PricedSale, user_id: UUID, clock: Clock) -> SoldBet:
    """Book the sale, inside the caller's transaction. What brings less than a cent is sold for nothing.

    Raises PositionChanged, MarketNotFound, MarketNotOpen, MarketExpired, MarketNotAccepting, OddsMoved,
    MarketIlliquid, PriceUnavailable.
    """
    market, maker = lock_market(priced.market)
    balance = lock_user(user_id)
    position = fetch_position(LOCK_POSITION, priced.bet_id, user_id)
    ensure_still_sellable(position, priced.sale.amount)
    now = clock()
    market.ensure_open(now=now)
    part = position.stake if priced.sale.amount is None else priced.sale.amount
    trade = sell_on_curve(position, part, maker) if maker else None
    if trade:
        odds, proceeds = average_got(trade), trade.credits
    else:
        price = locked_price(market, priced.price)
        price.ensure_fresh(now=now)
        odds = price.to_sell(position.side)
        proceeds = position.value(part, odds)
    priced.sale.ensure_within_bounds(odds)
    (entry,) = ledger.post_many([sale_transfer(priced.bet_id, user_id, part, proceeds, position.sale_count)], now=now)
    insert_sale(priced.bet_id, position, part, odds, proceeds, now)
    impact = price_impact(odds, shown=market.shown_odds(position.side))
    if trade:
        change = change_by(trade, position.side, bought=False, stake=part, now=now)
        execute(AFTER_SALE, {**change, "market_id": market.id})
        show_moved(market, change)
        odds = market.shown_odds(position.side)
        remaining_value = shares_value(position.open_shares - trade.shares, current_odds=odds)
    else:
        remaining_value = position.value(position.stake - part, odds)
    bet = get_sold_bet(priced.bet_id, user_id, odds, remaining_value)
    balance = entry.balance_after if entry else balance
    ids = {"betId": priced.bet_id, "userId": user_id, "marketId": market.id}
    log_event("a user sold a bet on %s for %s", short(market.title), proceeds, **ids)
    return SoldBet(bet, proceeds, balance, remaining_value, proceeds - part, impact)


def lock_user(user_id: UUID) -> Decimal:
    """Return the user's balance, which nobody else changes until the transaction ends."""
    return Decimal(fetch_value(LOCK_USER, {"user_id": user_id}))


def ensure_still_sellable(position: Position, amount: Decimal | None) -> None:
    """Raise PositionChanged for what could be sold when it was priced, and can't any more."""
    try:
        position.ensure_sellable(amount)
    except (BetNotSellable, AmountExceedsStake) as exc:
        raise PositionChanged from exc


def sale_transfer(bet_id: UUID, user_id: UUID, part: Decimal, proceeds: Decimal, occurrence: int) -> Transfer:
    return Transfer(
        user_id=user_id,
        amount=proceeds,
        staked=-part,
        transaction_type=TransactionType.POSITION_SOLD,
        reference_id=bet_id,
        occurrence=occurrence,
        description="Position sold",
    )


def insert_sale(bet_id: UUID, position: Position, part: Decimal, odds: Decimal, payout: Decimal, now: datetime) -> None:
    sale: dict[str, Any] = {"id": new_id(), "bet_id": bet_id, "occurrence": position.sale_count}
    shares = position.shares_of(part)
    execute(INSERT_SALE, {**sale, "amount": part, "shares": shares, "odds": odds, "payout": payout, "now": now})


def get_sold_bet(bet_id: UUID, user_id: UUID, odds: Decimal, value: Decimal) -> dict[str, Any]:
    """Return the bet as it is in this transaction, with the odds after the sale as its current odds."""
    bet = get_bet(bet_id=bet_id, user_id=user_id)
    if bet is None:
        raise BetNotFound
    return bet | {"currentOdds": odds, "currentValue": value}


# -- Fresh odds for markets with bets


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


def watch_market(*, market: MarketSnapshot, now: datetime) -> None:
    """Have the odds of a market with bets kept fresh; no transaction may be open.

    Written once in WATCH_NOTED_SECONDS, however many bets come.
    """
    if not market.is_house and cache.add(f"bet-on:{market.id}", 1, timeout=rules.WATCH_NOTED_SECONDS):
        watch_markets([market.id], until=now + rules.WATCHED_FOR)


def watch_open_bets(*, now: datetime) -> int:
    """Have the odds of all markets with open bets kept fresh until the next sweep; return how many markets."""
    markets = [market_id for (market_id,) in fetch_all(MARKETS_WITH_OPEN_BETS)]
    watch_markets(markets, until=now + rules.WATCHED_FOR)
    return len(markets)


# -- Markets that end soon


OPEN_BETS = """
SELECT id FROM bets WHERE market_id = %(market_id)s AND status = 'pending' AND id > %(after)s
ORDER BY id LIMIT %(size)s
"""
# Who was told of the market isn't locked again.
CLOSING = """
SELECT DISTINCT bets.user_id, 'market_closing' AS type, market_id AS reference_id, 0 AS occurrence,
    %(about)s::jsonb AS data
FROM bets WHERE bets.id = ANY(%(bets)s::uuid[]) AND status = 'pending' AND NOT EXISTS (
    SELECT FROM notifications
    WHERE reference_id = market_id AND notifications.user_id = bets.user_id AND type = 'market_closing'
)
"""


def notify_of_closing_markets(*, now: datetime) -> int:
    """Notify everybody with an open bet on a market that ends within CLOSING_SOON, once; return how many users were."""
    ending = Market.objects.filter(status="open", expires_at__gt=now, expires_at__lte=now + rules.CLOSING_SOON)
    return sum(notify_of_closing(market, now=now) for market in ending.only("title", "expires_at").order_by("pk"))


def notify_of_closing(market: Market, *, now: datetime) -> int:
    """Notify the users of the market's open bets, in batches of a transaction each."""
    about = dumps({"marketId": market.pk, "marketTitle": market.title, "expiresAt": market.expires_at}).decode()
    facts = {"market_id": market.pk, "size": CLOSING_BATCH, "about": about}
    notified, after = 0, UUID(int=0)
    while bets := [bet_id for (bet_id,) in fetch_all(OPEN_BETS, {**facts, "after": after})]:
        parameters = {**facts, "bets": bets}
        notified += len(run_transaction(partial(notify_from, CLOSING, parameters=parameters, now=now)))
        after = bets[-1]
    return notified
