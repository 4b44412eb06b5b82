"""Errors that the stream raises: one class for each condition, with the code that clients see."""

from core.api.errors import DomainError


class StreamFull(DomainError):
    code = "stream_full"
    status = 503
    message = "The stream has no place for another client. Try again in a moment, or ask for what changed."


class InvalidTicket(DomainError):
    code = "invalid_ticket"
    status = 401
    message = "This ticket was used, has expired or isn't one. Ask for another."
