"""Errors that purchases raise: one class for each condition, with the code that clients see."""

from core.api.errors import DomainError


class InvalidPackage(DomainError):
    code = "invalid_package"
    message = "There is no such package."


class ProviderNotOffered(DomainError):
    code = "provider_not_offered"
    message = "This payment provider isn't offered."


class PaymentUnavailable(DomainError):
    code = "payment_unavailable"
    status = 503
    message = "The payment provider can't be reached. Nothing was charged; try again."


class ExternalIdTaken(DomainError):
    code = "external_id_taken"
    status = 409
    message = "This externalId belongs to another purchase."


class InvalidSignature(DomainError):
    code = "invalid_signature"
    message = "The signature of this event isn't good."


class PurchaseNotFound(DomainError):
    code = "purchase_not_found"
    status = 404
    message = "There is no such purchase."


class PurchaseNotRefundable(DomainError):
    code = "purchase_not_refundable"
    message = "Only a completed purchase can be refunded, and only once."


class UnreadableEvent(Exception):
    """A provider's event, or the state of a payment, that isn't understood. Nobody's request: it is tried again."""
