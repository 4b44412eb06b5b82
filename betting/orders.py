"""Orders as clients send them. Amounts and odds are JSON numbers, read exactly, and never a float on the way.

By hand: a serializer takes longer than everything else that Python does for a bet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError

from betting.models import Bet
from betting.pricing import CENT
from betting.rules import max_bet_amount, min_bet_amount

REFERENCE_MAX = 200
SIDES = frozenset(Bet.Side.values)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A bet that somebody wants. `market`: our UUID or the condition id. Outside `min_odds` to `max_odds` none."""

    market: str
    side: str
    amount: Decimal
    min_odds: Decimal | None
    max_odds: Decimal | None


class Refused(Exception):
    """What is wrong with one field; collected into a ValidationError."""


def parse_order(given: Any) -> Order:
    """Raises ValidationError, with an entry for each bad field."""
    fields = Fields(given)
    order = Order(
        market=fields.read("marketId", as_reference, default=""),
        side=fields.read("side", as_side, default=""),
        amount=fields.read("amount", as_bet_amount, default=CENT),
        min_odds=fields.read("minOdds", as_odds, optional=True),
        max_odds=fields.read("maxOdds", as_odds, optional=True),
    )
    if order.min_odds is not None and order.max_odds is not None and order.min_odds > order.max_odds:
        fields.refuse("minOdds", "Not more than maxOdds.", "max_value")
    fields.check()
    return order


def parse_sale(given: Any) -> Decimal | None:
    """How much of the stake to sell; None for all of it. Raises ValidationError."""
    fields = Fields(given)
    amount: Decimal | None = fields.read("amount", as_part, optional=True)
    fields.check()
    return amount


class Fields:
    """The fields of a JSON object; what is wrong with them is collected."""

    def __init__(self, given: Any) -> None:
        if not isinstance(given, Mapping):
            raise ValidationError({"non_field_errors": ["A JSON object is expected."]}, code="invalid")
        self.given = given
        self.errors: dict[str, list[ErrorDetail]] = {}

    def read(self, name: str, accept: Callable[[Any], Any], *, default: Any = None, optional: bool = False) -> Any:
        value = self.given.get(name)
        if value is None:
            if not optional:
                self.refuse(name, "This field is required.", "null" if name in self.given else "required")
            return default
        try:
            return accept(value)
        except Refused as refused:
            self.refuse(name, *refused.args)
            return default

    def refuse(self, name: str, message: str, code: str) -> None:
        self.errors[name] = [ErrorDetail(message, code)]

    def check(self) -> None:
        if self.errors:
            raise ValidationError(self.errors)


def as_reference(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("A text is expected.", "invalid")
    if not 0 < len(value) <= REFERENCE_MAX:
        raise Refused(f"1 to {REFERENCE_MAX} characters.", "max_length" if value else "blank")
    return value


def as_side(value: Any) -> str:
    if not isinstance(value, str) or value not in SIDES:
        raise Refused("Either this or that.", "invalid_choice")
    return value


def as_number(value: Any) -> Decimal:
    # JSON's `true` is an int to Python.
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Refused("A number is expected.", "invalid")
    return Decimal(value)


def as_bet_amount(value: Any) -> Decimal:
    amount, low, high = as_number(value), min_bet_amount(), max_bet_amount()
    if amount < low:
        raise Refused(f"At least {low}.", "min_value")
    if amount > high:
        raise Refused(f"At most {high}.", "max_value")
    return in_cents(amount)


def as_part(value: Any) -> Decimal:
    amount, high = as_number(value), max_bet_amount()
    if amount < CENT:
        raise Refused(f"At least {CENT}.", "min_value")
    # More than any stake: as good as a hundred times that, and no more digits than arithmetic takes.
    return in_cents(min(amount, 100 * high))


def in_cents(amount: Decimal) -> Decimal:
    cents = amount.quantize(CENT)
    if cents != amount:
        raise Refused("At most 2 decimals.", "max_decimal_places")
    return cents


def as_odds(value: Any) -> Decimal:
    odds = as_number(value)
    if not 0 <= odds <= ONE:
        raise Refused("A number from 0 to 1.", "min_value" if odds < 0 else "max_value")
    return odds
