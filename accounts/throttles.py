"""Limit how often a password may be tried: by one address, at one account from one address, and at one account in all.

The last limit could be used to lock somebody out by trying wrong passwords at their account from many addresses. So it
asks for more proof than the password, instead of nothing helping: a browser in which somebody has signed in to the
account before has a signed cookie, and its attempts are counted by themselves. Described as device cookies by OWASP,
"Slow Down Online Guessing Attacks with Device Cookies".
"""

import secrets
from hashlib import sha256

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.rules import KNOWN_DEVICE_LIFETIME
from core.api.requests import PerClientThrottle

SALT = "accounts.known-device"
COOKIE_PREFIX = "known_device_"


class SignupThrottle(PerClientThrottle):
    """Limits sign-ups, which tell whether an e-mail is registered."""

    scope = "signup"


class RefreshThrottle(PerClientThrottle):
    scope = "refresh"


class ProviderSignInThrottle(PerClientThrottle):
    """Limits starts of a sign-in with a provider: each stores a row for ten minutes, and leads to requests to it."""

    scope = "provider_sign_in"


class MailThrottle(PerClientThrottle):
    """Limits the mails that one client has sent, whomever to."""

    scope = "mail"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return super().get_cache_key(request, view) if asks_for_mail(request) else None


class MailAddressThrottle(PerClientThrottle):
    """Limits the mails to one address, or about one user where the request names no address, whoever has them sent."""

    scope = "mail_address"
    counted = "e-mail address, or user where none is given, of all clients together"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        if not asks_for_mail(request):
            return None
        email = email_of(request)
        return f"throttle:{self.scope}:{name_of_account(email) if email else request.user.pk}"


class MailTokenThrottle(PerClientThrottle):
    """Limits tries of mailed tokens, each of which costs a signature, and a good one the hash of a password."""

    scope = "mail_token"


MAIL_THROTTLES = (MailThrottle, MailAddressThrottle)


def email_of(request: Request) -> str | None:
    email = request.data.get("email") if isinstance(request.data, dict) else None
    return email if isinstance(email, str) else None


def asks_for_mail(request: Request) -> bool:
    """Return whether the request has a mail sent: of a profile's changes, a new address alone."""
    return request.method != "PATCH" or email_of(request) is not None


class LoginThrottle(PerClientThrottle):
    """Limits the attempts of one address, whichever accounts they are at; a known device is counted by itself."""

    scope = "login"
    counted = "address"
    counter = "login"
    # Of a form outside the API, which has it under another name.
    email: str | None = None

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        email = self.email_of(request)
        if email is not None and known_device(request, email):
            return None
        return f"throttle:{self.counter}:{self.get_ident(request)}"

    def email_of(self, request: Request) -> str | None:
        """Return the e-mail that was given, whether or not it is registered."""
        return email_of(request) if self.email is None else self.email


class AccountThrottle(LoginThrottle):
    """Limits the attempts at one account from one address, or from one known device."""

    scope = "account"
    counted = "e-mail from one address, or from one browser that signed in with it before"
    counter = "account"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        email = self.email_of(request)
        if email is None:
            return None
        where = known_device(request, email) or self.get_ident(request)
        return f"throttle:{self.counter}:{name_of_account(email)}:{where}"


class AccountTotalThrottle(LoginThrottle):
    """Limits the attempts at one account from all unknown devices together."""

    scope = "account_total"
    counted = "e-mail from all addresses together"
    counter = "account_total"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        email = self.email_of(request)
        if email is None or known_device(request, email):
            return None
        return f"throttle:{self.counter}:{name_of_account(email)}"


LOGIN_THROTTLES = (LoginThrottle, AccountThrottle, AccountTotalThrottle)


class OwnPasswordThrottle(PerClientThrottle):
    """Limits the attempts at the password of a signed-in user: whoever has the access token may not know it."""

    scope = "own_password"
    counted = "user"


PASSWORD_THROTTLES = (LoginThrottle, OwnPasswordThrottle)


class ExportThrottle(PerClientThrottle):
    """Limits exports, each of which reads all that there is of a user."""

    scope = "export"
    counted = "user"


def seconds_until_allowed(request: HttpRequest, *, email: str) -> float | None:
    """Return the seconds until the admin's form may be sent again; None if it may be now.

    Counted apart from the API's attempts: who tries passwords there keeps no staff out.
    """
    refused = []
    for kind in LOGIN_THROTTLES:
        throttle = kind()
        throttle.counter, throttle.email = f"admin_{kind.counter}", email
        # They look at META, cookies and the user alone, so Django's request is as good as DRF's.
        if not throttle.allow_request(request, None):  # type: ignore[arg-type]
            refused.append(throttle.wait() or 1.0)
    return max(refused, default=None)


def name_of_account(email: str) -> str:
    """Return the same for an e-mail in any case, without telling which it is."""
    return sha256(email.strip().casefold().encode(errors="replace")).hexdigest()


def cookie_of(email: str) -> str:
    return f"{COOKIE_PREFIX}{name_of_account(email)[:16]}"


def known_device(request: Request | HttpRequest, email: str) -> str | None:
    """Return what a device is counted under in which somebody has signed in to the account before; None for others."""
    cookie = request.COOKIES.get(cookie_of(email))
    if not cookie:
        return None
    try:
        account, device = signing.loads(cookie, salt=SALT, max_age=KNOWN_DEVICE_LIFETIME)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return f"device:{device}" if account == name_of_account(email) else None


def remember_device(request: Request | HttpRequest, response: HttpResponse, email: str) -> None:
    """Give the browser that signed in to the account its cookie, unless it has one."""
    if known_device(request, email):
        return
    response.set_cookie(
        cookie_of(email),
        signing.dumps([name_of_account(email), secrets.token_urlsafe(16)], salt=SALT),
        max_age=KNOWN_DEVICE_LIFETIME,
        secure=not settings.DEBUG,
        httponly=True,
        # The frontend is another site.
        samesite="Lax" if settings.DEBUG else "None",
    )
