"""Orders: what a user wants to bet or sell, validated; and the market as read for betting.

Request bodies are validated by hand, because a DRF serializer takes longer than everything else that Python does for a
bet. Amounts and odds are JSON numbers, read exactly as Decimal, never as a float. What they cost and bring:
`betting.pricing`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from betting import rules
from betting.errors import MarketExpired, MarketNotAccepting, MarketNotFound, MarketNotOpen, OddsMoved
from betting.models import Bet
from core.api.requests import parse_uuid
from core.db.sql import fetch_one
from core.db.transactions import require_transaction
from markets.errors import PriceUnavailable
from markets.models import Market
from markets.selectors import CONDITION_ID

CENT = Decimal("0.01")
ONE = Decimal(1)
REFERENCE_MAX = 200
SIDES = frozenset(Bet.Side.values)
INPUT_SHOWN = 50
# By code, those of DRF's serializers: what is validated by hand speaks as they do.
MESSAGES: dict[str, Any] = {
    **serializers.ChoiceField.default_error_messages,
    **serializers.CharField.default_error_messages,
    **serializers.Field.default_error_messages,
    **serializers.DecimalField.default_error_messages,
    "not_a_string": serializers.CharField.default_error_messages["invalid"],
    "not_an_object": serializers.Serializer.default_error_messages["invalid"],
}


# -- Orders, validated


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a user wants to bet.

    `market`: our UUID or Polymarket's condition id. `amount`: in credits. `min_odds`, `max_odds`: bounds, inclusive,
    outside of which the bet must not be placed.
    """

    market: str
    side: str
    amount: Decimal
    min_odds: Decimal | None
    max_odds: Decimal | None

    def ensure_within_bounds(self, odds: Decimal) -> None:
        """Raise OddsMoved for odds outside the order's bounds."""
        too_low = self.min_odds is not None and odds < self.min_odds
        if too_low or (self.max_odds is not None and odds > self.max_odds):
            raise OddsMoved(f"The odds are {odds} now.")


def validate_order(data: Any) -> Order:
    """Return the order of a request body. Raises ValidationError, with an entry for each invalid field."""
    fields = Fields(data)
    order = Order(
        market=fields.read("marketId", to_market_reference, default=""),
        side=fields.read("side", to_side, default=""),
        amount=fields.read("amount", to_bet_amount, default=CENT),
        min_odds=fields.read("minOdds", to_odds, optional=True),
        max_odds=fields.read("maxOdds", to_odds, optional=True),
    )
    if order.min_odds is not None and order.max_odds is not None and order.min_odds > order.max_odds:
        fields.add_error("minOdds", MESSAGES["max_value"].format(max_value="maxOdds"), "max_value")
    fields.raise_errors()
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What a user wants to sell of a bet.

    `amount`: how much of the stake, in credits; None for all of it. `min_odds`: inclusive; below them nothing is sold.
    """

    amount: Decimal | None
    min_odds: Decimal | None = None

    def ensure_within_bounds(self, odds: Decimal) -> None:
        """Raise OddsMoved for odds below `min_odds`."""
        if self.min_odds is not None and odds < self.min_odds:
            raise OddsMoved(f"The odds are {odds} now.")


def validate_sale(data: Any) -> Sale:
    """Return the sale of a request body. Raises ValidationError, with an entry for each invalid field."""
    fields = Fields(data)
    sale = Sale(
        amount=fields.read("amount", to_part_of_stake, optional=True),
        min_odds=fields.read("minOdds", to_odds, optional=True),
    )
    fields.raise_errors()
    return sale


class InvalidField(Exception):
    """One invalid field: code, and what its message is filled in with; collected into a ValidationError."""

    def __init__(self, code: str, *, message: str = "", **values: Any) -> None:
        super().__init__(MESSAGES[message or code].format(**values), code)


class Fields:
    """The fields of a JSON object, and what is wrong with them."""

    def __init__(self, data: Any) -> None:
        if not isinstance(data, Mapping):
            text = MESSAGES["not_an_object"].format(datatype=type(data).__name__)
            raise ValidationError({"non_field_errors": [text]}, code="invalid")
        self.data = data
        self.errors: dict[str, list[ErrorDetail]] = {}

    def read(self, name: str, convert: Callable[[Any], Any], *, default: Any = None, optional: bool = False) -> Any:
        value = self.data.get(name)
        if value is None:
            if not optional:
                code = "null" if name in self.data else "required"
                self.add_error(name, MESSAGES[code], code)
            return default
        try:
            return convert(value)
        except InvalidField as exc:
            self.add_error(name, *exc.args)
            return default

    def add_error(self, name: str, message: str, code: str) -> None:
        self.errors[name] = [ErrorDetail(message, code)]

    def raise_errors(self) -> None:
        if self.errors:
            raise ValidationError(self.errors)


def to_market_reference(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidField("invalid", message="not_a_string")
    if not value:
        raise InvalidField("blank")
    if len(value) > REFERENCE_MAX:
        raise InvalidField("max_length", max_length=REFERENCE_MAX)
    return value


def to_side(value: Any) -> str:
    if not isinstance(value, str) or value not in SIDES:
        raise InvalidField("invalid_choice", input=str(value)[:INPUT_SHOWN])
    return value


def to_number(value: Any) -> Decimal:
    # JSON's `true` is an int to Python.
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidField("invalid")
    return Decimal(value)


def to_bet_amount(value: Any) -> Decimal:
    amount = to_number(value)
    if amount < rules.MIN_BET_AMOUNT:
        raise InvalidField("min_value", min_value=rules.MIN_BET_AMOUNT)
    if amount > rules.MAX_BET_AMOUNT:
        raise InvalidField("max_value", max_value=rules.MAX_BET_AMOUNT)
    return to_cents(amount)


def to_part_of_stake(value: Any) -> Decimal:
    amount = to_number(value)
    if amount < CENT:
        raise InvalidField("min_value", min_value=CENT)
    # More than any stake: as good as a hundred times that, and no more digits than arithmetic takes.
    return to_cents(min(amount, 100 * rules.MAX_BET_AMOUNT))


def to_cents(amount: Decimal) -> Decimal:
    cents = amount.quantize(CENT)
    if cents != amount:
        raise InvalidField("max_decimal_places", max_decimal_places=2)
    return cents


def to_odds(value: Any) -> Decimal:
    odds = to_number(value)
    if odds < 0:
        raise InvalidField("min_value", min_value=0)
    if odds > ONE:
        raise InvalidField("max_value", max_value=1)
    return odds


# -- Market snapshots


@dataclass(slots=True)
class MarketSnapshot:
    """A market as read for betting: the fields in the order of MARKET_COLUMNS. Odds are the stored ones."""

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
    category: str
    suspended_reason: str
    is_lmsr: bool

    @property
    def is_house(self) -> bool:
        """Whether the market was made by staff, for credits alone: its stored odds are its price."""
        return self.market_type == Market.Type.CREDITS

    def shown_odds(self, side: Bet.Side | str) -> Decimal:
        """Return the stored odds of the side, which lists show; not a price."""
        return self.this_odds if side == Bet.Side.THIS else self.that_odds

    def ensure_open(self, *, now: datetime) -> None:
        """Raise MarketNotOpen, MarketExpired or MarketNotAccepting for a market that takes no orders.

        The end date stops orders, unless the upstream goes on accepting them.
        """
        if self.status != Market.Status.OPEN:
            raise MarketNotOpen
        past_end = self.expires_at is not None and self.expires_at <= now
        if past_end and (self.is_house or not self.accepting_orders):
            raise MarketExpired
        if not self.accepting_orders:
            raise MarketNotAccepting

    def ensure_takes_orders(self, *, now: datetime) -> None:
        """Raise what `ensure_open` raises; also MarketNotAccepting while suspended: then bets are only sold."""
        self.ensure_open(now=now)
        if self.suspended_reason:
            raise MarketNotAccepting

    def ensure_same_sides(self, priced: "MarketSnapshot") -> None:
        """Raise PriceUnavailable if THIS and THAT aren't those that were priced: before the first bet they may change.

        The words count, too: they are what the user chose between.
        """
        if priced.sides != self.sides:
            raise PriceUnavailable

    @property
    def sides(self) -> tuple[str, ...]:
        return self.this_token_id, self.that_token_id, self.this_option, self.that_option


MARKET_COLUMNS = ", ".join(f"market.{column}" for column in MarketSnapshot.__slots__)
MARKET_BY_ID = f"SELECT {MARKET_COLUMNS} FROM markets AS market WHERE market.id = %(id)s"  # noqa: S608 - constants of this module
MARKET_BY_CONDITION = f"SELECT {MARKET_COLUMNS} FROM markets AS market WHERE market.polymarket_id = %(condition)s"  # noqa: S608
# Many may hold it at once; whoever closes or settles the market waits for them, and they for it.
LOCK_MARKET = f"{MARKET_BY_ID} FOR SHARE"

# A market that many bet on is read once a second in each process, not for each bet.
SNAPSHOT_CACHED_FOR = timedelta(seconds=1)
MAX_CACHED_SNAPSHOTS = 1_000
_snapshots: dict[str, tuple[MarketSnapshot, datetime]] = {}


def clear_cache() -> None:
    """Drop the market snapshots that this process has cached."""
    _snapshots.clear()


def get_market_snapshot(reference: str) -> MarketSnapshot:
    """Return the market by our UUID or Polymarket's condition id. Raises MarketNotFound."""
    if market_id := parse_uuid(reference):
        return fetch_snapshot(MARKET_BY_ID, {"id": market_id})
    if CONDITION_ID.fullmatch(reference):
        return fetch_snapshot(MARKET_BY_CONDITION, {"condition": reference})
    raise MarketNotFound


def get_cached_market_snapshot(reference: str, *, now: datetime) -> MarketSnapshot:
    """Return the market as it was up to SNAPSHOT_CACHED_FOR ago, for callers who lock it before credits move.

    Only markets that took orders are cached, so that nobody is refused for a state that has passed.
    Raises MarketNotFound.
    """
    cached, read_at = _snapshots.get(reference, (None, now))
    if cached and now - SNAPSHOT_CACHED_FOR < read_at <= now:
        return cached
    market = get_market_snapshot(reference)
    if market.status == Market.Status.OPEN and market.accepting_orders and not market.suspended_reason:
        if len(_snapshots) >= MAX_CACHED_SNAPSHOTS:
            clear_cache()
        _snapshots[reference] = market, now
    return market


def lock_market_snapshot(market_id: UUID) -> MarketSnapshot:
    """Return the market as it stays until the transaction ends. Lock it before any user. Raises MarketNotFound."""
    require_transaction("lock_market_snapshot")
    return fetch_snapshot(LOCK_MARKET, {"id": market_id})


def fetch_snapshot(statement: str, parameters: dict[str, Any]) -> MarketSnapshot:
    row = fetch_one(statement, parameters)
    if row is None:
        raise MarketNotFound
    return MarketSnapshot(*row)
