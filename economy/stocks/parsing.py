"""Orders as clients send them: shares are JSON numbers, read exactly, and never a float on the way."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from economy.stocks.models import LEVERAGE_MAX, TOO_MANY_SHARES
from economy.stocks.pricing import SHARE


class Number(serializers.Field[Decimal, Any, Decimal, Any]):
    """A JSON number from `low` to `high`; raises ValidationError for anything else, a text of digits too."""

    default_error_messages = {
        "invalid": "A number is expected.",
        "min_value": "At least {low}.",
        "max_value": "At most {high}.",
    }

    def __init__(self, *, low: Decimal, high: Decimal, **options: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, Decimal):
            self.fail("invalid")
        # Before anything is reckoned with it: it may have any number of digits.
        if data < self.low:
            self.fail("min_value", low=self.low)
        if data > self.high:
            self.fail("max_value", high=self.high)
        return data

    def to_representation(self, value: Decimal) -> Decimal:
        return value


class Shares(Number):
    default_error_messages = {"max_decimal_places": "At most 8 decimals."}

    def __init__(self, **options: Any) -> None:
        super().__init__(low=SHARE, high=Decimal(TOO_MANY_SHARES) - SHARE, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        shares = super().to_internal_value(data)
        rounded = shares.quantize(SHARE)
        if rounded != shares:
            self.fail("max_decimal_places")
        return rounded


class Leverage(Number):
    default_error_messages = {"not_whole": "A whole number is expected."}

    def __init__(self, **options: Any) -> None:
        super().__init__(low=Decimal(1), high=Decimal(LEVERAGE_MAX), **options)

    def to_internal_value(self, data: Any) -> Decimal:
        leverage = super().to_internal_value(data)
        if leverage != int(leverage):
            self.fail("not_whole")
        return leverage
