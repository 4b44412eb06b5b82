"""Errors that accounts raise: one class for each condition, with the code that clients see."""

from collections.abc import Mapping
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
    """Refuse what needs an account that stays, of one that its user deleted."""

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


# Sign-in with X, Google or Discord: the browser is redirected to the frontend with one of these codes in the query


class SignInError(StrEnum):
    """Codes of the API's contract. They and their texts are fixed: nothing that a provider or a caller said is told."""

    OAUTH_FAILED = "oauth_failed"
    OAUTH_CANCELLED = "oauth_cancelled"
    STATE_EXPIRED = "state_expired"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code of the contract
    USER_INFO_FAILED = "user_info_failed"
    DATABASE_ERROR = "database_error"
    ACCOUNT_SUSPENDED = "account_suspended"
    OAUTH_NOT_CONFIGURED = "oauth_not_configured"


class Reason(StrEnum):
    """Tell the frontend more of an error, where it can do something about it."""

    MISSING_CODE = "missing_code"
    MISSING_STATE = "missing_state"
    OTHER_BROWSER = "other_browser"
    EMAIL_TAKEN = "email_taken"


SIGN_IN_DETAILS: dict[SignInError | Reason, str] = {
    SignInError.OAUTH_FAILED: "Signing in with {provider} did not work. Please try again.",
    SignInError.OAUTH_CANCELLED: "You did not allow the sign-in on {provider}.",
    SignInError.STATE_EXPIRED: "This sign-in took too long or was used before. Please try again.",
    SignInError.TOKEN_EXCHANGE_FAILED: "{provider} did not confirm the sign-in. Please try again.",
    SignInError.USER_INFO_FAILED: "{provider} did not tell us who you are. Please try again in a few minutes.",
    SignInError.DATABASE_ERROR: "We could not complete the sign-in. Please try again in a moment.",
    SignInError.ACCOUNT_SUSPENDED: "This account is suspended.",
    SignInError.OAUTH_NOT_CONFIGURED: "Signing in with {provider} is not set up here.",
    Reason.OTHER_BROWSER: "This sign-in began in another browser. Go back there, or try again here.",
    Reason.EMAIL_TAKEN: "There is an account with this e-mail address. Sign in to it, and link {provider} there.",
}
# Logged as warnings: a provider or this service is in trouble, and not the user's doing.
SIGN_IN_WARNINGS = frozenset(
    {
        SignInError.OAUTH_FAILED,
        SignInError.TOKEN_EXCHANGE_FAILED,
        SignInError.USER_INFO_FAILED,
        SignInError.DATABASE_ERROR,
        SignInError.OAUTH_NOT_CONFIGURED,
    }
)


class SignInFailed(Exception):
    """`why` is for the log: no token, code or secret in it. `reason` is for the frontend, and so is `handed_on`."""

    def __init__(
        self,
        error: SignInError,
        why: str = "",
        *,
        reason: Reason | None = None,
        handed_on: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(why or reason or error)
        self.error, self.reason, self.handed_on = error, reason, handed_on or {}

    def details(self, provider: str) -> str:
        """Return the sentence for a person. `provider`: what it is called."""
        said = SIGN_IN_DETAILS.get(self.reason) if self.reason else None
        return (said or SIGN_IN_DETAILS[self.error]).format(provider=provider)

    def parameters(self, provider: str) -> dict[str, str]:
        """Return the query parameters of the frontend's address."""
        parameters = {"error": self.error.value, "details": self.details(provider)}
        return {**parameters, **({"reason": self.reason.value} if self.reason else {}), **self.handed_on}

    def as_domain_error(self, provider: str) -> DomainError:
        """Return the same as a response to a frontend that finishes the sign-in itself."""
        kind = EmailTaken if self.reason == Reason.EMAIL_TAKEN else SIGN_IN_ERRORS[self.error]
        return kind(self.details(provider))


# The same of a sign-in or a linking that a frontend begins or finishes itself


class OAuthFailed(DomainError):
    code = "oauth_failed"
    message = "Signing in with the provider did not work."


class StateExpired(DomainError):
    """The same for a state that nobody began, that is over, that was used, and whose start isn't proved."""

    code = "state_expired"
    message = "This sign-in took too long or was used before."


class TokenExchangeFailed(DomainError):
    code = "token_exchange_failed"
    message = "The provider did not confirm the sign-in."


class UserInfoFailed(DomainError):
    code = "user_info_failed"
    message = "The provider did not tell who the user is."


class OAuthNotConfigured(DomainError):
    code = "oauth_not_configured"
    message = "Signing in with this provider is not set up here."


SIGN_IN_ERRORS: dict[SignInError, type[DomainError]] = {
    SignInError.OAUTH_FAILED: OAuthFailed,
    SignInError.STATE_EXPIRED: StateExpired,
    SignInError.TOKEN_EXCHANGE_FAILED: TokenExchangeFailed,
    SignInError.USER_INFO_FAILED: UserInfoFailed,
    SignInError.ACCOUNT_SUSPENDED: AccountSuspended,
    SignInError.OAUTH_NOT_CONFIGURED: OAuthNotConfigured,
}


# Linked accounts


class ConnectionNotFound(DomainError):
    code = "connection_not_found"
    status = 404
    message = "No account of this provider is linked."


class ConnectionTaken(DomainError):
    code = "connection_taken"
    status = 409
    message = "Another user signs in with this account."


class AlreadyConnected(DomainError):
    code = "already_connected"
    status = 409
    message = "An account of this provider is linked already. Unlink it first."


class LastSignInMethod(DomainError):
    code = "last_sign_in_method"
    status = 409
    message = "Nothing else lets you sign in. Set a password or link another account first."
