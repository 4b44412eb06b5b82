"""How often one address, and one account from all addresses, may try to get in."""

from hashlib import sha256

from rest_framework.request import Request
from rest_framework.views import APIView

from thisthat.common.throttles import PerClientThrottle


class SignupThrottle(PerClientThrottle):
    """Signing up tells whether an e-mail is registered; this keeps that from being asked about many."""

    scope = "signup"


class LoginThrottle(PerClientThrottle):
    scope = "login"


class RefreshThrottle(PerClientThrottle):
    scope = "refresh"


class AccountThrottle(PerClientThrottle):
    """Counts by the e-mail that was given, whether or not it is registered, in any case and from any address."""

    scope = "account"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        email = request.data.get("email") if isinstance(request.data, dict) else None
        if not isinstance(email, str):
            return None
        name = sha256(email.strip().casefold().encode(errors="replace")).hexdigest()
        return f"throttle:{self.scope}:{name}"
