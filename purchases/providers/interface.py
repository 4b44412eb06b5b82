"""What a provider of payments is asked, and what it answers."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from core.api.errors import DomainError
from purchases.rules import Package


class ProviderNotOffered(DomainError):
    code = "provider_not_offered"
    message = "This payment provider isn't offered."


class PaymentUnavailable(DomainError):
    code = "payment_unavailable"
    status = 503
    message = "The payment provider can't be reached. Nothing was charged; try again."


@dataclass(frozen=True, slots=True)
class Intent:
    """A purchase that is about to be made.

    `reference`: the same for the same wish, so that a provider that is asked again answers with the same payment.
    """

    purchase_id: UUID
    user_id: UUID
    package: Package
    reference: str


@dataclass(frozen=True, slots=True)
class Payment:
    """`is_paid`: the credits are due now. Otherwise `checkout_url` is where the user pays, and a webhook says when."""

    is_paid: bool
    checkout_id: str = ""
    checkout_url: str = ""


class Provider(Protocol):
    name: str

    def is_offered(self) -> bool: ...

    def start(self, intent: Intent) -> Payment:
        """May ask the network, so no transaction is open. Raises PaymentUnavailable."""
