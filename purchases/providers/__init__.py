"""Who takes the money. Which providers are offered follows from the settings."""

from purchases.providers.interface import Intent, Payment, PaymentUnavailable, Provider, ProviderNotOffered
from purchases.providers.manual import Manual
from purchases.providers.stripe import Stripe

ALL: dict[str, Provider] = {provider.name: provider for provider in (Manual(), Stripe())}


def find_provider(name: str) -> Provider:
    """Raises ProviderNotOffered."""
    provider = ALL.get(name)
    if provider is None or not provider.is_offered():
        raise ProviderNotOffered
    return provider


def offered() -> list[str]:
    return [name for name, provider in ALL.items() if provider.is_offered()]


__all__ = [
    "ALL",
    "Intent",
    "Payment",
    "PaymentUnavailable",
    "Provider",
    "ProviderNotOffered",
    "find_provider",
    "offered",
]
