"""What betting needs of a market, and whether it may be bet on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from betting.models import Bet
from betting.pricing import can_be_bet_on
from core.api.errors import DomainError
from core.db.transactions import require_transaction
from markets.models import Market
from markets.selectors import CONDITION_ID, as_uuid


class MarketNotFound(DomainError):
    code = "market_not_found"
    status = 404
    message = "There is no such market."


class MarketNotOpen(DomainError):
    code = "market_not_open"
    message = "This market is closed."


class MarketExpired(DomainError):
    code = "market_expired"
    message = "This market is past its end."


class MarketNotAccepting(DomainError):
    code = "market_not_accepting"
    message = "This market takes no orders at the moment."


@dataclass(slots=True)
class Offer:
    """A market as it was read: the fields in the order of COLUMNS. Odds are the stored ones."""

    id: UUID
    market_type: str
    status: str
    accepting_orders: bool
    expires_at: datetime | None
    resolution: str | None
    resolved_at: datetime | None
    this_odds: Decimal
    that_odds: Decimal
    odds_updated_at: datetime
    this_token_id: str
    that_token_id: str
    title: str
    this_option: str
    that_option: str
    image_url: str

    @property
    def is_house(self) -> bool:
        """Made in the house for credits alone: its stored odds are its price."""
        return self.market_type == Market.Type.CREDITS


COLUMNS = ", ".join(f"market.{column}" for column in Offer.__slots__)
BY_ID = f"SELECT {COLUMNS} FROM markets AS market WHERE market.id = %(id)s"  # noqa: S608 - constants of this module
BY_CONDITION = f"SELECT {COLUMNS} FROM markets AS market WHERE market.polymarket_id = %(condition)s"  # noqa: S608
# Many may hold it at once; whoever closes or settles the market waits for them, and they for it.
LOCK = f"{BY_ID} FOR SHARE"

# Read markets that many bet on once, not for each bet.
OFFER_AGE = timedelta(seconds=1)
MAX_REMEMBERED = 1_000
_remembered: dict[str, tuple[Offer, datetime]] = {}


def forget() -> None:
    """Drops what this process remembers."""
    _remembered.clear()


def find_offer(reference: str) -> Offer:
    """By our UUID or Polymarket's condition id. Raises MarketNotFound."""
    if market_id := as_uuid(reference):
        return fetch_offer(BY_ID, {"id": market_id})
    if CONDITION_ID.fullmatch(reference):
        return fetch_offer(BY_CONDITION, {"condition": reference})
    raise MarketNotFound


def find_offer_to_bet_on(reference: str, *, now: datetime) -> Offer:
    """As `find_offer`, or as it was up to OFFER_AGE ago in this process: for who locks it before anything moves.

    Only what took orders is remembered, so that nobody is refused for what was. Raises MarketNotFound.
    """
    remembered, read_at = _remembered.get(reference, (None, now))
    if remembered and now - OFFER_AGE < read_at <= now:
        return remembered
    offer = find_offer(reference)
    if offer.status == Market.Status.OPEN and offer.accepting_orders:
        if len(_remembered) >= MAX_REMEMBERED:
            forget()
        _remembered[reference] = offer, now
    return offer


def lock_offer(market_id: UUID) -> Offer:
    """The market as it stays until the transaction ends. To be locked before any user. Raises MarketNotFound."""
    require_transaction("lock_offer")
    return fetch_offer(LOCK, {"id": market_id})


def fetch_offer(statement: str, parameters: dict[str, Any]) -> Offer:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    if row is None:
        raise MarketNotFound
    return Offer(*row)


def check_takes_orders(offer: Offer, *, now: datetime) -> None:
    """Raises MarketNotOpen, MarketExpired, MarketNotAccepting.

    The end date stops orders, unless upstream goes on accepting them.
    """
    if offer.status != Market.Status.OPEN:
        raise MarketNotOpen
    past_end = offer.expires_at is not None and offer.expires_at <= now
    if past_end and (offer.is_house or not offer.accepting_orders):
        raise MarketExpired
    if not offer.accepting_orders:
        raise MarketNotAccepting


def odds_of(side: Bet.Side | str, *, this: Decimal, that: Decimal) -> Decimal:
    """The side's odds. Raises MarketNotAccepting for odds that can't be bet on."""
    odds = this if side == Bet.Side.THIS else that
    if not can_be_bet_on(odds):
        raise MarketNotAccepting("At these odds there is nothing to bet on.")
    return odds
