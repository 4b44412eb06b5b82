"""Speak OAuth 2.0 with X, by allauth's `twitter_oauth2`, and read what X says about a user.

Sources: RFC 6749 (the code flow), RFC 7636 (PKCE, S256) and X's documentation
(docs.x.com, "OAuth 2.0 Authorization Code Flow with PKCE"): a confidential client names itself by Basic auth, a public
one, which has no secret, in the body.
"""

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.twitter_oauth2.views import TwitterOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from accounts import rules
from accounts.errors import XSignInError, XSignInFailed
from core.resilience import BoundedSession

logger = logging.getLogger(__name__)
PROVIDER: str = TwitterOAuth2Adapter.provider_id
SCOPES = ("tweet.read", "users.read", "offline.access")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAX_RESPONSE_BYTES = 256 * 1024  # X sends less than 2 KiB
X_ID = re.compile(r"[0-9]{1,30}")
# What reading a response of any shape may raise: allauth takes its shape for granted.
INVALID_RESPONSE = (
    OAuth2Error,
    RequestException,
    HTTPError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


@dataclass(frozen=True)
class XProfile:
    """What X says about a user; all of it is safe to store, and `avatar_url` may be empty."""

    x_id: str
    username: str
    name: str
    avatar_url: str


class XSession(BoundedSession):
    """A session for one request to X. What it sends and gets is secret: it logs an error's status and nothing else."""

    def __init__(self) -> None:
        super().__init__(total=settings.X_TIMEOUT_SECONDS, max_body=MAX_RESPONSE_BYTES)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        response = super().send(request, **kwargs)
        if response.status_code != HTTPStatus.OK:
            logger.warning("X responded to %s with status %s", request.method, response.status_code)
        return response


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Take allauth's apps from the settings alone, without a query, and bound its requests to X."""

    def list_apps(self, request: Any, provider: str = PROVIDER, client_id: str | None = None) -> list[SocialApp]:
        configured = settings.SOCIALACCOUNT_PROVIDERS.get(provider, {}).get("APPS", [])
        return [SocialApp(provider=provider, **app) for app in configured]

    def get_requests_session(self) -> XSession:
        return XSession()


class XAdapter(TwitterOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """Describe X to allauth, with the endpoints of the settings."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.authorize_url = settings.X_AUTHORIZE_URL
        self.access_token_url = settings.X_TOKEN_URL
        self.profile_url = settings.X_USER_URL
        self.basic_auth = bool(settings.SOCIALACCOUNT_PROVIDERS[PROVIDER]["APPS"][0]["secret"])

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return callback_url(request)


def is_configured() -> bool:
    """Return whether a client is configured; in production, whether the redirect address is, too."""
    apps = settings.SOCIALACCOUNT_PROVIDERS[PROVIDER]["APPS"]
    return bool(apps and (settings.X_REDIRECT_URI or settings.DEBUG))


def callback_url(request: HttpRequest) -> str:
    """Return where X sends browsers back to: X_REDIRECT_URI.

    In development without one it follows the loopback name that the browser uses, for cookies belong to a name.
    """
    if settings.X_REDIRECT_URI:
        return str(settings.X_REDIRECT_URI)
    host = request.get_host()
    own = host if urlsplit(f"//{host}").hostname in LOOPBACK else f"localhost:{settings.PORT}"
    return f"http://{own}{reverse('auth_x_callback')}"


def new_pkce() -> dict[str, Any]:
    """Return a new `code_verifier`, its `code_challenge` and `code_challenge_method`, which is S256."""
    pkce: dict[str, Any] = XAdapter(HttpRequest()).get_provider().get_pkce_params()
    return pkce


def authorize_url(request: HttpRequest, *, state: str, challenge: dict[str, Any]) -> str:
    """Return the address of X's page, where the user allows the sign-in or doesn't."""
    adapter = XAdapter(request)
    client = adapter.get_client(request, adapter.get_provider().app)
    client.state = state
    return str(client.get_redirect_url(adapter.authorize_url, SCOPES, challenge))


def fetch_profile(request: HttpRequest, *, code: str, verifier: str) -> XProfile:
    """Return the profile of the user who allowed the sign-in. X's tokens are used for this request and not stored.

    Raises XSignInFailed with TOKEN_EXCHANGE_FAILED or USER_INFO_FAILED.
    """
    adapter = XAdapter(request)
    try:
        client = adapter.get_client(request, adapter.get_provider().app)
        token = adapter.parse_token(client.get_access_token(code, pkce_code_verifier=verifier))
    except INVALID_RESPONSE as error:
        raise sign_in_failed(XSignInError.TOKEN_EXCHANGE_FAILED, error) from None
    try:
        return read_profile(adapter.get_user_info(token))
    except INVALID_RESPONSE as error:
        raise sign_in_failed(XSignInError.USER_INFO_FAILED, error) from None


def sign_in_failed(error: XSignInError, cause: Exception) -> XSignInFailed:
    """Return the error to raise. It names the kind of cause only: allauth's texts quote X's responses with tokens."""
    return XSignInFailed(error, type(cause).__name__)


def read_profile(data: Any) -> XProfile:
    """Read the `data` of X's GET /2/users/me. Raises LookupError, TypeError or ValueError for what isn't a profile."""
    x_id, username, name = data["id"], data["username"], data["name"]
    if not isinstance(x_id, str) or not X_ID.fullmatch(x_id):
        raise ValueError("no id of X")
    if not isinstance(username, str) or not isinstance(name, str):
        raise TypeError("no names of X")
    handle = rules.clean_text(username)[: rules.MAX_USERNAME_LENGTH]
    return XProfile(x_id, handle, display_name(name, handle), larger_avatar(data.get("profile_image_url")))


def display_name(name: str, handle: str) -> str:
    """Return the name as others may read it, or the handle where nothing of the name can be seen."""
    shown = rules.clean_text(rules.DIRECTION_CHANGES.sub("", name))[: rules.MAX_NAME_LENGTH].strip()
    return next((text for text in (shown, handle) if rules.is_visible(text)), "X user")


def larger_avatar(url: Any) -> str:
    """Return the address of the 400 pixel variant of an avatar, of which X names the 48 pixel one. Empty if not https.

    Source: X's documentation, "Profile images": variants differ by the end of the file's name.
    """
    limit = rules.MAX_AVATAR_URL_LENGTH
    if not isinstance(url, str) or len(url) > limit or not url.isascii() or not url.isprintable():
        return ""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return ""
    return re.sub(r"_normal(\.\w+)$", r"_400x400\1", url)[:limit]
