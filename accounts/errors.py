"""Errors that accounts raise: one class for each condition, with the code that clients see."""

from enum import StrEnum

from accounts import rules
from core.api.errors import DomainError


class EmailTaken(DomainError):
    code = "email_taken"
    status = 409
    message = "Email already registered"


class UsernameTaken(DomainError):
    code = "username_taken"
    status = 409
    message = "Username already taken"


class UsernameReserved(DomainError):
    code = "username_reserved"
    message = "This username can't be chosen."


class InvalidReferralCode(DomainError):
    code = "invalid_referral_code"
    message = "Invalid referral code"


class InvalidCredentials(DomainError):
    """The same for an unknown e-mail and for a wrong password, so that it doesn't tell which."""

    code = "invalid_credentials"
    status = 401
    message = "Invalid email or password"


class WrongPassword(DomainError):
    code = "wrong_password"
    message = "The current password is wrong."


class InvalidToken(DomainError):
    """The same for a token that nobody made, that is over, and that was used."""

    code = "invalid_token"
    message = "This link is invalid, has expired or was used before."


class AlreadyVerified(DomainError):
    code = "already_verified"
    status = 409
    message = "This e-mail address is verified already."


class InvalidRefreshToken(DomainError):
    code = "invalid_refresh_token"
    status = 401
    message = "Invalid or expired refresh token"


class TokenReused(DomainError):
    code = "token_reused"
    status = 401
    message = "This refresh token was used before. Sign in again."


class SessionNotFound(DomainError):
    code = "session_not_found"
    status = 404
    message = "There is no such session."


class AccountSuspended(DomainError):
    code = "account_suspended"
    status = 403
    message = "This account is suspended."


class AccountLeaving(DomainError):
    """What needs an account that stays, of one that its user deleted."""

    code = "account_leaving"
    status = 403
    message = "This account is to be deleted. Sign in to keep it."


class StaffCannotLeave(DomainError):
    code = "staff_cannot_leave"
    status = 409
    message = "Somebody of the staff can't delete their account: have a superuser take your roles first."


class InvalidUserId(DomainError):
    code = "invalid_id"
    message = "This isn't a user id."


# What staff do with accounts


class NotAllowed(DomainError):
    code = "staff_permission_required"
    status = 403
    message = "You may not do this."


class NothingChanged(DomainError):
    """A staff action would leave everything as it is."""

    code = "nothing_changed"
    message = "Nothing would change."


class ReasonMissing(DomainError):
    code = "reason_required"
    message = "Say why: it is kept."


class ReasonTooLong(DomainError):
    code = "reason_too_long"
    message = f"Say why in {rules.MAX_REASON_LENGTH} letters."


class NotYourself(DomainError):
    code = "not_yourself"
    status = 403
    message = "Nobody does this to their own account."


class StaffProtected(DomainError):
    code = "staff_protected"
    status = 403
    message = "Only a superuser does this to somebody of the staff."


class AlreadySuspended(DomainError):
    code = "already_suspended"
    status = 409
    message = "This user is suspended already."


class NotSuspended(DomainError):
    code = "not_suspended"
    status = 409
    message = "This user isn't suspended."


class NotLeaving(DomainError):
    code = "not_leaving"
    status = 409
    message = "This user hasn't deleted the account, or is back already."


class UserErased(DomainError):
    code = "user_erased"
    status = 409
    message = "This user was erased: nothing brings the person back."


class UnknownRole(DomainError):
    code = "unknown_role"
    message = "There is no such role."


class RolesAreForStaff(DomainError):
    code = "roles_are_for_staff"
    message = "Roles are for staff: let the user into the admin too, or give no role."


# Sign-in with X: the browser is redirected to the frontend with one of these codes in the query


class XSignInError(StrEnum):
    """Codes of the API's contract. They and their texts are fixed: nothing that X or a caller sent is passed on."""

    OAUTH_FAILED = "oauth_failed"
    OAUTH_CANCELLED = "oauth_cancelled"
    STATE_EXPIRED = "state_expired"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code of the contract
    USER_INFO_FAILED = "user_info_failed"
    DATABASE_ERROR = "database_error"
    ACCOUNT_SUSPENDED = "account_suspended"
    OAUTH_NOT_CONFIGURED = "oauth_not_configured"


X_SIGN_IN_DETAILS = {
    XSignInError.OAUTH_FAILED: "Signing in with X did not work. Please try again.",
    XSignInError.OAUTH_CANCELLED: "You did not allow the sign-in on X.",
    XSignInError.STATE_EXPIRED: (
        "This sign-in took too long, was used before or began in another browser. Please try again."
    ),
    XSignInError.TOKEN_EXCHANGE_FAILED: "X did not confirm the sign-in. Please try again.",
    XSignInError.USER_INFO_FAILED: "X did not tell us who you are. Please try again in a few minutes.",
    XSignInError.DATABASE_ERROR: "We could not complete the sign-in. Please try again in a moment.",
    XSignInError.ACCOUNT_SUSPENDED: "This account is suspended.",
    XSignInError.OAUTH_NOT_CONFIGURED: "Signing in with X is not set up here.",
}
# Logged as warnings: X or this service is in trouble, and not the user's doing.
X_SIGN_IN_WARNINGS = frozenset(
    {
        XSignInError.OAUTH_FAILED,
        XSignInError.TOKEN_EXCHANGE_FAILED,
        XSignInError.USER_INFO_FAILED,
        XSignInError.DATABASE_ERROR,
        XSignInError.OAUTH_NOT_CONFIGURED,
    }
)


class XSignInFailed(Exception):
    """`why` is for the log: no token, code or secret in it. `reason` is for the frontend."""

    def __init__(self, error: XSignInError, why: str = "", *, reason: str = "") -> None:
        super().__init__(why or X_SIGN_IN_DETAILS[error])
        self.error = error
        self.reason = reason

    def parameters(self) -> dict[str, str]:
        """Return the query parameters of the frontend's address."""
        parameters = {"error": self.error.value, "details": X_SIGN_IN_DETAILS[self.error]}
        return parameters | ({"reason": self.reason} if self.reason else {})
