"""OAuth 2.0 with X, spoken by allauth's `twitter_oauth2`: which endpoints, which app, which way back.

Sources: RFC 6749 (the code flow), RFC 7636 (PKCE, S256) and X's documentation
(docs.x.com, "OAuth 2.0 Authorization Code Flow with PKCE"): a confidential client names itself by Basic auth, a public
one, which has no secret, in the body.
"""

from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.twitter_oauth2.views import TwitterOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from requests import RequestException
from urllib3.exceptions import HTTPError

from accounts.x.failures import Failure, SignInFailed
from accounts.x.profile import Profile, read_profile
from accounts.x.transport import BoundedSession

PROVIDER: str = TwitterOAuth2Adapter.provider_id
SCOPES = ("tweet.read", "users.read", "offline.access")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What reading an answer of any shape may end in: allauth takes its shape for granted.
UNUSABLE = (OAuth2Error, RequestException, HTTPError, OSError, ValueError, TypeError, LookupError, AttributeError)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's hooks: apps come from the settings alone, without a query, and X is asked within bounds."""

    def list_apps(self, request: Any, provider: str = PROVIDER, client_id: str | None = None) -> list[SocialApp]:
        configured = settings.SOCIALACCOUNT_PROVIDERS.get(provider, {}).get("APPS", [])
        return [SocialApp(provider=provider, **app) for app in configured]

    def get_requests_session(self) -> BoundedSession:
        return BoundedSession(settings.X_TIMEOUT_SECONDS)


class XAdapter(TwitterOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """allauth's description of X, with the endpoints of the settings."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.authorize_url = settings.X_AUTHORIZE_URL
        self.access_token_url = settings.X_TOKEN_URL
        self.profile_url = settings.X_USER_URL
        self.basic_auth = bool(settings.SOCIALACCOUNT_PROVIDERS[PROVIDER]["APPS"][0]["secret"])

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return callback_url(request)


def is_configured() -> bool:
    """Whether X knows us; in production it must also be said where X sends people back to."""
    apps = settings.SOCIALACCOUNT_PROVIDERS[PROVIDER]["APPS"]
    return bool(apps and (settings.X_REDIRECT_URI or settings.DEBUG))


def callback_url(request: HttpRequest) -> str:
    """Where X sends people back to: X_REDIRECT_URI.

    In development without one it follows the loopback name that the browser uses, for cookies belong to a name.
    """
    if settings.X_REDIRECT_URI:
        return str(settings.X_REDIRECT_URI)
    host = request.get_host()
    own = host if urlsplit(f"//{host}").hostname in LOOPBACK else f"localhost:{settings.PORT}"
    return f"http://{own}{reverse('auth_x_callback')}"


def new_pkce() -> dict[str, Any]:
    """`code_verifier`, `code_challenge` and `code_challenge_method`, which is S256."""
    pkce: dict[str, Any] = XAdapter(HttpRequest()).get_provider().get_pkce_params()
    return pkce


def authorize_url(request: HttpRequest, *, state: str, challenge: dict[str, Any]) -> str:
    """X's page, where a person allows the sign-in or doesn't."""
    adapter = XAdapter(request)
    client = adapter.get_client(request, adapter.get_provider().app)
    client.state = state
    return str(client.get_redirect_url(adapter.authorize_url, SCOPES, challenge))


def fetch_profile(request: HttpRequest, *, code: str, verifier: str) -> Profile:
    """Who it is that allowed the sign-in. X's tokens are used for this one question and forgotten.

    Raises SignInFailed with TOKEN_EXCHANGE_FAILED or USER_INFO_FAILED.
    """
    adapter = XAdapter(request)
    try:
        client = adapter.get_client(request, adapter.get_provider().app)
        token = adapter.parse_token(client.get_access_token(code, pkce_code_verifier=verifier))
    except UNUSABLE as error:
        raise failed(Failure.TOKEN_EXCHANGE_FAILED, error) from None
    try:
        return read_profile(adapter.get_user_info(token))
    except UNUSABLE as error:
        raise failed(Failure.USER_INFO_FAILED, error) from None


def failed(failure: Failure, error: Exception) -> SignInFailed:
    # The kind only: allauth's texts quote X's answers, which hold tokens.
    return SignInFailed(failure, type(error).__name__)
