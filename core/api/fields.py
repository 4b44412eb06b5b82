"""Fields of requests that the apps share."""

from typing import Any

from rest_framework import serializers


class Clamped(serializers.IntegerField):
    """A whole number; outside its range it counts as the nearest inside. The contract asks for it by name."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        return max(self.low, min(self.high, super().to_internal_value(data)))
