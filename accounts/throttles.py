"""Limit how often one address, and one account from all addresses, may try to sign in."""

from hashlib import sha256

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.requests import PerClientThrottle


class SignupThrottle(PerClientThrottle):
    """Limits sign-ups, which tell whether an e-mail is registered."""

    scope = "signup"


class LoginThrottle(PerClientThrottle):
    scope = "login"


class RefreshThrottle(PerClientThrottle):
    scope = "refresh"


class XSignInThrottle(PerClientThrottle):
    """Limits starts of a sign-in with X: each stores a row for ten minutes, and leads to requests to X."""

    scope = "x_sign_in"


class AccountThrottle(PerClientThrottle):
    """Count by the e-mail that was given, whether or not it is registered, in any case and from any address."""

    scope = "account"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        email = request.data.get("email") if isinstance(request.data, dict) else None
        return self.key_of(email) if isinstance(email, str) else None

    def key_of(self, email: str) -> str:
        name = sha256(email.strip().casefold().encode(errors="replace")).hexdigest()
        return f"throttle:{self.scope}:{name}"


class FormAccountThrottle(AccountThrottle):
    """Count attempts of a form outside the API together with the API's."""

    def __init__(self, email: str) -> None:
        super().__init__()
        self.email = email

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return self.key_of(self.email)


def seconds_until_allowed(request: HttpRequest, *, email: str) -> float | None:
    """Return the seconds until that address, or that account, may be tried again from a form; None if it may be now."""
    throttles = (LoginThrottle(), FormAccountThrottle(email))
    # They look at META and the user alone, so Django's request is as good as DRF's.
    refused = [throttle for throttle in throttles if not throttle.allow_request(request, None)]  # type: ignore[arg-type]
    return max((throttle.wait() or 1.0 for throttle in refused), default=None)
