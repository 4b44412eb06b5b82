"""How a sign-in with X can fail, as the frontend is told."""

from enum import StrEnum


class Failure(StrEnum):
    """Codes of the API's contract. They and the texts are fixed: nothing that X or a caller sent is passed on."""

    OAUTH_FAILED = "oauth_failed"
    OAUTH_CANCELLED = "oauth_cancelled"
    STATE_EXPIRED = "state_expired"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code of the contract
    USER_INFO_FAILED = "user_info_failed"
    DATABASE_ERROR = "database_error"
    ACCOUNT_SUSPENDED = "account_suspended"
    OAUTH_NOT_CONFIGURED = "oauth_not_configured"


DETAILS = {
    Failure.OAUTH_FAILED: "Signing in with X did not work. Please try again.",
    Failure.OAUTH_CANCELLED: "You did not allow the sign-in on X.",
    Failure.STATE_EXPIRED: "This sign-in took too long, was used before or began in another browser. Please try again.",
    Failure.TOKEN_EXCHANGE_FAILED: "X did not confirm the sign-in. Please try again.",
    Failure.USER_INFO_FAILED: "X did not tell us who you are. Please try again in a few minutes.",
    Failure.DATABASE_ERROR: "We could not complete the sign-in. Please try again in a moment.",
    Failure.ACCOUNT_SUSPENDED: "This account is suspended.",
    Failure.OAUTH_NOT_CONFIGURED: "Signing in with X is not set up here.",
}
# What an operator should see: X or we are in trouble.
NOT_THE_PERSONS = frozenset(
    {
        Failure.OAUTH_FAILED,
        Failure.TOKEN_EXCHANGE_FAILED,
        Failure.USER_INFO_FAILED,
        Failure.DATABASE_ERROR,
        Failure.OAUTH_NOT_CONFIGURED,
    }
)


class SignInFailed(Exception):
    """`why` is for the log: no token, code or secret in it. `reason` is for the frontend."""

    def __init__(self, failure: Failure, why: str = "", *, reason: str = "") -> None:
        super().__init__(why or DETAILS[failure])
        self.failure = failure
        self.reason = reason

    def parameters(self) -> dict[str, str]:
        """For the query of the frontend's address."""
        told = {"error": self.failure.value, "details": DETAILS[self.failure]}
        return told | ({"reason": self.reason} if self.reason else {})
