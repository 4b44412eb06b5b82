"""Errors of the economy that clients, staff and jobs branch on: each has a stable `code`."""

from typing import Any

from core.api.errors import DomainError

# The ledger


class InsufficientCredits(DomainError):
    """What is available (the balance less what is on hold) would fall below zero."""

    code = "insufficient_credits"
    message = "You don't have enough credits."


class AlreadyPosted(DomainError):
    """The ledger has this entry: same type, counterparty, reference and occurrence; or the bet was settled."""

    code = "already_posted"
    status = 409
    message = "This has been booked already."


class UnknownUser(LookupError):
    """A transfer names a user that doesn't exist: a bug of the caller, so not a refusal with a code."""


class InvariantsBroken(DomainError):
    """`result` is the audit's report, which the job's run keeps."""

    code = "books_dont_balance"
    status = 500
    message = "The audit of the ledger found broken invariants."

    def __init__(self, message: str = "", *, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


class AnchorsUnpublished(DomainError):
    """Anchors of the ledger couldn't be written outside the database; the next run tries again."""

    code = "anchors_unpublished"
    status = 500
    message = "Anchors of the ledger couldn't be published."


class UsersUnpaid(DomainError):
    """Some couldn't be rewarded; all others were."""

    code = "users_unpaid"
    status = 500
    message = "Some users couldn't be rewarded."


# Adjustments by staff


class RequestReused(DomainError):
    code = "request_reused"
    status = 409
    message = "This form was sent before, with something else in it. Open it again."


class AdjustmentNotFound(DomainError):
    code = "adjustment_not_found"
    status = 404
    message = "There is no such adjustment."


class AlreadyDecided(DomainError):
    code = "already_decided"
    status = 409
    message = "This adjustment doesn't wait for anybody any more."


class SecondPersonNeeded(DomainError):
    code = "second_person_needed"
    status = 403
    message = "Somebody else of the staff must decide about what you asked for."


# Stocks


class StockNotFound(DomainError):
    code = "stock_not_found"
    status = 404
    message = "Stock not found"


class StockNotActive(DomainError):
    code = "stock_not_active"
    message = "This stock can't be bought now."


class LeverageTooHigh(DomainError):
    code = "leverage_too_high"
    message = "This stock doesn't allow so much leverage."


class LeverageMismatch(DomainError):
    """A holding has one leverage from its first share to its last."""

    code = "leverage_mismatch"
    message = "You hold this stock at another leverage. Sell it first."


class InsufficientSupply(DomainError):
    code = "insufficient_supply"
    message = "There aren't so many shares left."


class NoHolding(DomainError):
    code = "no_holding"
    message = "You don't hold this stock."


class InsufficientShares(DomainError):
    code = "insufficient_shares"
    message = "You don't hold so many shares."


class InvalidPrice(DomainError):
    code = "invalid_price"
    message = "A price is above 0, has at most 8 decimals, and no holding may be worth more than a balance holds."
