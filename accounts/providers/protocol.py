"""Speak OAuth 2.0 with X, Google and Discord, by allauth's adapters, which none of its pages is served with.

Sources: RFC 6749 (the code flow), RFC 7636 (PKCE, S256), OpenID Connect Core 1.0 (Google's ID token), and what the
providers write: X's "OAuth 2.0 Authorization Code Flow with PKCE" (a confidential client names itself by Basic auth, a
public one, which has no secret, in the body), Google's "OpenID Connect", Discord's "OAuth2".
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlsplit

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.discord.views import DiscordOAuth2Adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.twitter_oauth2.views import TwitterOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from accounts.errors import SignInError, SignInFailed
from accounts.providers.profiles import Profile, read_discord, read_google, read_x
from core.resilience import BoundedSession

logger = logging.getLogger(__name__)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAX_RESPONSE_BYTES = 256 * 1024  # providers send a few KiB
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


class ProviderSession(BoundedSession):
    """A session for one request. What it sends and gets is secret: it logs an error's status and nothing else."""

    def __init__(self) -> None:
        super().__init__(total=settings.OAUTH_TIMEOUT_SECONDS, max_body=MAX_RESPONSE_BYTES)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        response = super().send(request, **kwargs)
        if response.status_code != HTTPStatus.OK:
            host = urlsplit(str(request.url)).hostname
            logger.warning("%s responded to %s with status %s", host, request.method, response.status_code)
        return response


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Take allauth's apps from the settings alone, without a query, and bound its requests to providers."""

    def list_apps(self, request: Any, provider: str = "", client_id: str | None = None) -> list[SocialApp]:
        """Return the one client of a provider, with PKCE."""
        return [
            SocialApp(
                provider=provider,
                client_id=each.setting("CLIENT_ID"),
                secret=each.setting("CLIENT_SECRET"),
                settings={"oauth_pkce_enabled": True},
            )
            for each in PROVIDERS.values()
            if each.adapter.provider_id == provider
        ]

    def get_requests_session(self) -> ProviderSession:
        return ProviderSession()


class Configured(ABC):
    """Give an adapter of allauth the endpoints of the settings. `name`: the provider's in PROVIDERS."""

    name: ClassVar[str]

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)  # type: ignore[call-arg]
        provider = PROVIDERS[self.name]
        self.authorize_url = provider.setting("AUTHORIZE_URL")
        self.access_token_url = provider.setting("TOKEN_URL")
        self.app = self.get_provider().app  # type: ignore[attr-defined]

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return PROVIDERS[self.name].callback_url(request)

    def authorize_parameters(self, verifier: str) -> dict[str, str]:
        """Return what the provider's page is asked besides."""
        return {}

    @abstractmethod
    def fetch_user(self, response: dict[str, Any], verifier: str) -> Any:
        """Return what the provider says about the user, whose token is in its response to the code."""


class XAdapter(Configured, TwitterOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    name = "x"

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.profile_url = settings.X_USER_URL
        self.basic_auth = bool(settings.X_CLIENT_SECRET)

    def fetch_user(self, response: dict[str, Any], verifier: str) -> Any:
        return self.get_user_info(self.parse_token(response))


class GoogleAdapter(Configured, GoogleOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """Google says who the user is in an ID token, which comes with the access token and is bound to this sign-in."""

    name = "google"

    def authorize_parameters(self, verifier: str) -> dict[str, str]:
        return {"nonce": nonce_of(verifier)}

    def fetch_user(self, response: dict[str, Any], verifier: str) -> Any:
        """Return the claims, checked as OpenID Connect Core, 3.1.3.7 says: issuer, audience, time, party and nonce.

        Its signature needn't be: the token came from Google's own address, over TLS, in response to our client.
        """
        self.did_fetch_access_token = True
        claims = self._decode_id_token(self.app, response["id_token"])
        if claims.get("azp", self.app.client_id) != self.app.client_id or not claims["exp"]:
            raise OAuth2Error("the ID token is another client's, or has no end")
        if not constant_time_compare(str(claims["nonce"]), nonce_of(verifier)):
            raise OAuth2Error("the ID token is another sign-in's")
        return claims


class DiscordAdapter(Configured, DiscordOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    name = "discord"

    def fetch_user(self, response: dict[str, Any], verifier: str) -> Any:
        headers = {"Authorization": f"Bearer {response['access_token']}"}
        with get_adapter().get_requests_session() as session:
            said = session.get(settings.DISCORD_USER_URL, headers=headers)
            said.raise_for_status()
            return said.json()


def nonce_of(verifier: str) -> str:
    """Return what ties an ID token to a sign-in: nothing can be told of the verifier by it, nor has it to be stored."""
    return sha256(f"nonce {verifier}".encode()).hexdigest()


@dataclass(frozen=True)
class Provider:
    """Describe a provider. `name`: in addresses, settings and tables; `title`: as users read it."""

    name: str
    title: str
    adapter: type[Any]
    scopes: tuple[str, ...]
    read: Callable[[Any], Profile]
    # Whether a client needs a secret; one without is a public client.
    needs_secret: bool = True

    def setting(self, name: str) -> str:
        """Return a setting of the provider, as `X_CLIENT_ID`."""
        return str(getattr(settings, f"{self.name.upper()}_{name}"))

    def is_configured(self) -> bool:
        """Return whether a client is configured; in production, whether the redirect address is, too."""
        has_client = self.setting("CLIENT_ID") and (self.setting("CLIENT_SECRET") or not self.needs_secret)
        return bool(has_client and (self.setting("REDIRECT_URI") or settings.DEBUG))

    def callback_url(self, request: HttpRequest) -> str:
        """Return where the provider sends browsers back to: its REDIRECT_URI.

        In development without one it follows the loopback name that the browser uses, for cookies belong to a name.
        """
        if uri := self.setting("REDIRECT_URI"):
            return uri
        host = request.get_host()
        own = host if urlsplit(f"//{host}").hostname in LOOPBACK else f"localhost:{settings.PORT}"
        return f"http://{own}{reverse('auth_provider_callback', args=[self.name])}"

    def new_pkce(self) -> dict[str, Any]:
        """Return a new `code_verifier`, its `code_challenge` and `code_challenge_method`, which is S256."""
        pkce: dict[str, Any] = self.adapter(HttpRequest()).get_provider().get_pkce_params()
        return pkce

    def authorize_url(self, request: HttpRequest, *, state: str, verifier: str, challenge: dict[str, Any]) -> str:
        """Return the address of the provider's page, where the user allows the sign-in or doesn't."""
        adapter = self.adapter(request)
        client = adapter.get_client(request, adapter.app)
        client.state = state
        parameters = challenge | adapter.authorize_parameters(verifier)
        return str(client.get_redirect_url(adapter.authorize_url, self.scopes, parameters))

    def fetch_profile(self, request: HttpRequest, *, code: str, verifier: str) -> Profile:
        """Return the profile of the user who allowed the sign-in. Tokens are used for this request and not stored.

        Raises SignInFailed with TOKEN_EXCHANGE_FAILED or USER_INFO_FAILED.
        """
        adapter = self.adapter(request)
        try:
            client = adapter.get_client(request, adapter.app)
            response = client.get_access_token(code, pkce_code_verifier=verifier)
            adapter.parse_token(response)
        except INVALID_RESPONSE as error:
            raise sign_in_failed(SignInError.TOKEN_EXCHANGE_FAILED, error) from None
        try:
            return self.read(adapter.fetch_user(response, verifier))
        except INVALID_RESPONSE as error:
            raise sign_in_failed(SignInError.USER_INFO_FAILED, error) from None


def sign_in_failed(error: SignInError, cause: Exception) -> SignInFailed:
    """Return the error to raise. It names the kind of cause only: allauth's texts quote responses with tokens."""
    return SignInFailed(error, type(cause).__name__)


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("x", "X", XAdapter, ("tweet.read", "users.read", "offline.access"), read_x, needs_secret=False),
        Provider("google", "Google", GoogleAdapter, ("openid", "email", "profile"), read_google),
        Provider("discord", "Discord", DiscordAdapter, ("identify", "email"), read_discord),
    )
}
