"""The odds at which credits move: the house's own as stored, Polymarket's from the order book, seconds old."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betting.models import Bet
from betting.offers import Offer, odds_of
from betting.rules import quote_max_age
from markets.prices import PriceUnavailable, fresh_odds, remembered
from markets.upstream import quick_client

RETRY_SECONDS = 2
# Tells the time: what waits for locks asks again.
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Price:
    """Odds of both sides, and the moment they were heard; `as_of` None: the house's, which hold until changed."""

    this: Decimal
    that: Decimal
    as_of: datetime | None

    def of(self, side: Bet.Side | str) -> Decimal:
        """Raises MarketNotAccepting for odds that can't be bet on."""
        return odds_of(side, this=self.this, that=self.that)


def current_price(offer: Offer, *, now: datetime, before_asking: Callable[[], None]) -> Price:
    """The market's price; asks Polymarket where none is young enough, and so runs outside any transaction.

    `before_asking` may refuse (a throttle). Raises PriceUnavailable.
    """
    if offer.is_house:
        return stored_price(offer)
    max_age = quote_max_age().total_seconds()
    odds = remembered(offer.id, now=now, max_age=max_age)
    if odds is None:
        before_asking()
        odds = fresh_odds(offer, client=quick_client(), now=now, max_age=max_age)
    return Price(this=odds.this, that=odds.that, as_of=odds.as_of)


def stored_price(offer: Offer) -> Price:
    return Price(this=offer.this_odds, that=offer.that_odds, as_of=None)


def locked_price(offer: Offer, price: Price) -> Price:
    """The price to book at, once the market is locked: the house's may have changed since it was read."""
    return stored_price(offer) if offer.is_house else price


def check_age(price: Price, *, now: datetime) -> None:
    """Once all locks are held: waiting for them may have taken longer than a price is good. Raises PriceUnavailable."""
    if price.as_of is not None and price.as_of < now - quote_max_age():
        raise PriceUnavailable(retry_after=RETRY_SECONDS)
