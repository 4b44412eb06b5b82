"""Prices of orders and sales: what is paid for a bet, what it may pay, and what a sale brings.

The price is the stored odds of a house market, or Polymarket's from the order book, seconds old. All amounts are
rounded down to the cent, in the house's favour, and that is exact: odds are whole ten-thousandths, so a quotient of
cents has a denominator below 10,000, and what isn't a whole cent is at least 1/10,000 of a cent away from one, far more
than the 28 digits of a Decimal lose.

`potential_payout`, the shares that a stake buys, and `position_value` are the originals; SQL repeats them where it
computes for many bets (`betting.serializers`, `betting.audit`), and constraints of `betting.models` refuse other
results.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from betting import rules
from betting.errors import AmountExceedsStake, BetNotFound, BetNotSellable, MarketNotAccepting
from betting.lmsr import Trade
from betting.makers import Maker, average_got, average_paid, get_maker, shown
from betting.models import Bet
from betting.orders import CENT, MarketSnapshot, Order, Sale, get_market_snapshot
from core.db.sql import fetch_one
from markets.errors import PriceUnavailable
from markets.fills import FillPrices, house_prices, request_fill_prices

ZERO = Decimal(0)
TEN_THOUSANDTH = Decimal("0.0001")

# -- Payouts and values


def potential_payout(amount: Decimal, odds: Decimal) -> Decimal:
    """Return the credits that a winning stake of `amount` pays, at odds between 0 and 1: `amount / odds`."""
    return (amount / odds).quantize(CENT, ROUND_DOWN)


def position_value(stake: Decimal, *, current_odds: Decimal, odds_at_bet: Decimal) -> Decimal:
    """Return the credits that a stake is worth now: `stake * current_odds / odds_at_bet`.

    The values of its parts, each rounded down, never add up to more than the value of the whole.
    """
    return (stake * current_odds / odds_at_bet).quantize(CENT, ROUND_DOWN)


def shares_value(shares: Decimal, *, current_odds: Decimal) -> Decimal:
    """Return the credits that shares are worth at the odds of now, however far a sale of them would move these."""
    return (shares * current_odds).quantize(CENT, ROUND_DOWN)


def price_impact(odds: Decimal, *, shown: Decimal) -> Decimal:
    """Return how far below the odds shown a sale was priced, as a part of those: 0.02 is 2 %.

    0 where the odds shown are.
    """
    return ((shown - odds) / shown if shown else ZERO).quantize(TEN_THOUSANDTH)


def can_be_bet_on(odds: Decimal) -> bool:
    """Return whether the odds are between 0 and 1: at 0 a payout has no bound, at 1 there is nothing to win."""
    return 0 < odds < 1


# -- Prices, and orders with a price


@dataclass(frozen=True, slots=True)
class Price:
    """The prices of a market, and when they were requested; `as_of` is None for a house market's, which don't age."""

    fills: FillPrices
    as_of: datetime | None

    def to_buy(self, side: Bet.Side | str) -> Decimal:
        """Return the odds at which the side is bought, its ask. Raises MarketIlliquid, MarketNotAccepting."""
        return ensure_can_be_bet_on(self.fills.to_buy(is_this=side == Bet.Side.THIS))

    def to_sell(self, side: Bet.Side | str) -> Decimal:
        """Return the odds at which the side is sold, its bid. Raises MarketIlliquid, MarketNotAccepting."""
        return ensure_can_be_bet_on(self.fills.to_sell(is_this=side == Bet.Side.THIS))

    def ensure_fresh(self, *, now: datetime) -> None:
        """Raise PriceUnavailable for a price older than allowed: waiting for locks may have taken that long."""
        if self.as_of is not None and self.as_of < now - rules.FILL_MAX_AGE:
            raise PriceUnavailable

    def valid_for(self, *, now: datetime) -> int:
        """Return for how many whole seconds the price is good."""
        left = (self.as_of or now) + rules.FILL_MAX_AGE - now
        return max(0, int(left.total_seconds()))


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """An order, the market that it names, and the price found for it."""

    order: Order
    market: MarketSnapshot
    price: Price


def ensure_can_be_bet_on(odds: Decimal) -> Decimal:
    """Return the odds. Raises MarketNotAccepting for odds that can't be bet on."""
    if not can_be_bet_on(odds):
        raise MarketNotAccepting("At these odds there is nothing to bet on.")
    return odds


def price_order(
    *, order: Order, market: MarketSnapshot, now: datetime, before_upstream: Callable[[], None]
) -> PricedOrder:
    """Return the order with its price; no transaction may be open, because the upstream is requested.

    `now` is when the order arrived. `before_upstream` is called before the upstream is requested, and may refuse (a
    throttle). Raises MarketNotOpen, MarketExpired, MarketNotAccepting, MarketIlliquid, PriceUnavailable.
    """
    market.ensure_takes_orders(now=now)
    price = get_price(market, now=now, before_upstream=before_upstream)
    price.to_buy(order.side)
    return PricedOrder(order, market, price)


def quote_order(*, priced: PricedOrder, now: datetime) -> dict[str, Any]:
    """Return what the bet would be, as the contract's Quote.

    Raises MarketIlliquid, MarketNotAccepting, OddsMoved, SlippageTooHigh.
    `bid`, `ask` and `spread` are of the order's side; `ask` is `odds`, and `bid` 0 where nobody buys.
    """
    if priced.market.is_lmsr:
        return quote_order_on_curve(priced=priced, now=now)
    amount, side, fills = priced.order.amount, priced.order.side, priced.price.fills
    odds = priced.price.to_buy(side)
    priced.order.ensure_within_bounds(odds)
    payout = potential_payout(amount, odds)
    bid = fills.bid_of(is_this=side == Bet.Side.THIS)
    return {
        "odds": odds,
        "potentialPayout": payout,
        "profit": payout - amount,
        "bid": bid,
        "ask": odds,
        "spread": odds - bid,
        "shares": payout,
        "oddsAfter": odds,
        "priceImpact": ZERO.quantize(TEN_THOUSANDTH),
        "asOf": priced.price.as_of or now,
        "validFor": priced.price.valid_for(now=now),
    }


def quote_order_on_curve(*, priced: PricedOrder, now: datetime) -> dict[str, Any]:
    """Return what the bet on a market maker would be. Raises MarketNotAccepting, OddsMoved, SlippageTooHigh.

    `odds` are what a share costs on average; `bid` and `ask` what the next share would bring and cost.
    """
    trade = buy_on_curve(priced.order, get_maker(priced.market.id))
    odds, before = average_paid(trade), shown(trade.before)
    return {
        "odds": odds,
        "potentialPayout": trade.shares,
        "profit": trade.shares - trade.credits,
        "bid": before,
        "ask": before,
        "spread": ZERO.quantize(TEN_THOUSANDTH),
        "shares": trade.shares,
        "oddsAfter": shown(trade.after),
        "priceImpact": ((odds - before) / before).quantize(TEN_THOUSANDTH),
        "asOf": now,
        "validFor": priced.price.valid_for(now=now),
    }


def buy_on_curve(order: Order, maker: Maker) -> Trade:
    """Return what the order buys. Raises MarketNotAccepting, OddsMoved, SlippageTooHigh."""
    trade = maker.buy(order.amount, order.side, limited=order.max_odds is None)
    order.ensure_within_bounds(average_paid(trade))
    return trade


def get_price(market: MarketSnapshot, *, now: datetime, before_upstream: Callable[[], None]) -> Price:
    """Return the market's price: of an order book that is requested now, or the house's. Raises PriceUnavailable."""
    if market.is_house:
        return house_price(market)
    before_upstream()
    return Price(request_fill_prices((market.this_token_id, market.that_token_id)), as_of=now)


def house_price(market: MarketSnapshot) -> Price:
    return Price(house_prices(market.this_odds, is_lmsr=market.is_lmsr), as_of=None)


def locked_price(market: MarketSnapshot, price: Price) -> Price:
    """Return the price to book at, once the market is locked: the house's may have changed since it was read."""
    return house_price(market) if market.is_house else price


# -- Sales with a price


class Position(NamedTuple):
    """A bet as read for selling. `stake`: what of it isn't sold, in credits; `open_shares`: what that bought."""

    market_id: UUID
    side: str
    status: str
    odds_at_bet: Decimal
    stake: Decimal
    sale_count: int
    amount: Decimal
    shares: Decimal
    open_shares: Decimal
    on_curve: bool

    def ensure_sellable(self, amount: Decimal | None) -> None:
        """Raise BetNotSellable or AmountExceedsStake where `amount` of the stake (None: all) can't be sold."""
        if self.status != Bet.Status.PENDING:
            raise BetNotSellable
        if amount is not None and amount > self.stake:
            raise AmountExceedsStake

    def value(self, stake: Decimal, odds: Decimal) -> Decimal:
        return position_value(stake, current_odds=odds, odds_at_bet=self.odds_at_bet)

    def shares_of(self, part: Decimal) -> Decimal:
        """Return the shares that are sold with a part of the stake: what is left of them is rounded down."""
        left = self.stake - part
        if self.on_curve:
            return self.open_shares - (self.shares * left / self.amount).quantize(CENT, ROUND_DOWN)
        return self.open_shares - potential_payout(left, self.odds_at_bet)


@dataclass(frozen=True, slots=True)
class PricedSale:
    """A sale with its price. A sale without an amount is of whatever is left when it is booked."""

    bet_id: UUID
    sale: Sale
    position: Position
    market: MarketSnapshot
    price: Price


POSITION = """
SELECT market_id, side, status, odds_at_bet, amount - sold_amount, sale_count, amount, shares, shares - sold_shares,
    on_curve
FROM bets WHERE id = %(bet_id)s AND user_id = %(user_id)s
"""
LOCK_POSITION = f"{POSITION} FOR NO KEY UPDATE"


def price_sale(
    *, bet_id: UUID, sale: Sale, user_id: UUID, now: datetime, before_upstream: Callable[[], None]
) -> PricedSale:
    """Return the sale with its price; no transaction may be open, because the upstream may be asked.

    Raises BetNotFound, BetNotSellable, AmountExceedsStake, MarketNotOpen, MarketExpired, MarketNotAccepting,
    MarketIlliquid, PriceUnavailable.
    """
    position = fetch_position(POSITION, bet_id, user_id)
    position.ensure_sellable(sale.amount)
    market = get_market_snapshot(str(position.market_id))
    market.ensure_open(now=now)
    price = get_price(market, now=now, before_upstream=before_upstream)
    price.to_sell(position.side)
    return PricedSale(bet_id, sale, position, market, price)


def quote_sale(*, priced: PricedSale, now: datetime) -> dict[str, Any]:
    """Return what the sale would bring, as the contract's quote of a sale. Raises OddsMoved."""
    position = priced.position
    amount = position.stake if priced.sale.amount is None else priced.sale.amount
    if priced.market.is_lmsr:
        trade = sell_on_curve(position, amount, get_maker(priced.market.id))
        brings, odds, after = trade.credits, average_got(trade), shown(trade.after)
    else:
        odds = after = priced.price.to_sell(position.side)
        brings = position.value(amount, odds)
    priced.sale.ensure_within_bounds(odds)
    return {
        "creditsReturned": brings,
        "odds": odds,
        "oddsAfter": after,
        "asOf": priced.price.as_of or now,
        "validFor": priced.price.valid_for(now=now),
    }


def sell_on_curve(position: Position, part: Decimal, maker: Maker) -> Trade:
    """Return what the shares of a part of the stake bring."""
    return maker.curve.sell(position.shares_of(part), is_this=position.side == Bet.Side.THIS)


def fetch_position(statement: str, bet_id: UUID, user_id: UUID) -> Position:
    """Return the user's bet as read for selling. Raises BetNotFound, also for another user's bet."""
    row = fetch_one(statement, {"bet_id": bet_id, "user_id": user_id})
    if row is None:
        raise BetNotFound
    return Position(*row)
