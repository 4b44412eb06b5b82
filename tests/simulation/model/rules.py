"""The numbers of the rules, as the documents have them and the simulation's environment sets them."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
ONE = Decimal(1)
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """One number or time a rule. `changed` gives wrong ones, to show that the service disagrees."""

    starting_credits: Decimal = Decimal(1_000)
    referral_bonus: Decimal = Decimal(200)
    referral_cap: int = 3
    first_reward: Decimal = Decimal(1_000)
    reward_step: Decimal = Decimal(500)
    greatest_reward: Decimal = Decimal(10_000)
    greatest_reward_from: int = 18
    days_rewarded_late: int = 7
    adjustment_limit: Decimal = Decimal(10_000)
    min_bet: Decimal = Decimal(10)
    max_bet: Decimal = Decimal(10_000)
    house_spread: Decimal = Decimal("0.02")
    max_spread: Decimal = Decimal("0.10")
    max_slippage: Decimal = Decimal("0.10")
    price_depth: int = 100
    fill_max_age: int = 5  # seconds
    access_minutes: int = 15
    refresh_days: int = 7
    activity_minutes: int = 5
    key_hours: int = 24
    deletion_days: int = 1
    reconcile_after_minutes: int = 15
    reconcile_until_days: int = 7
    signature_seconds: int = 300

    def changed(self, name: str, value: str) -> "Rules":
        """Return the rules with another value of one. Raises ValueError for an unknown name or a wrong kind of value."""
        known = {field.name: field for field in fields(self)}
        if name not in known:
            raise ValueError(f"no rule is called {name}: there are {', '.join(known)}")
        kind = type(getattr(self, name))
        try:
            return replace(self, **{name: kind(value)})
        except ArithmeticError as exc:
            raise ValueError(f"{value} is no value of {name}") from exc

    def reward(self, streak: int) -> Decimal:
        """Return the credits of the so manieth consecutive day."""
        if streak >= self.greatest_reward_from:
            return self.greatest_reward
        return self.first_reward + self.reward_step * (streak - 1)


# Of the packages on sale: credits, and US cents.
PACKAGES = {"starter": (500, 499), "boost": (1_000, 999), "pro": (2_500, 1_999), "whale": (5_000, 3_499)}


def round_down(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_DOWN)


def round_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_CEILING)


def midnight(moment: datetime) -> datetime:
    """Return when the UTC day of the moment began."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
