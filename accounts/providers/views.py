"""`/api/v1/auth/{provider}`, its callback, and what frontends begin and finish themselves; linked accounts.

To start and callback a browser comes, so every response redirects it: to the provider or to the frontend. The settings
alone decide where to; no header and no parameter has a say.
"""

import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts.authentication import client_of, current_user
from accounts.errors import (
    SIGN_IN_ERRORS,
    SIGN_IN_WARNINGS,
    AlreadyConnected,
    ConnectionNotFound,
    ConnectionTaken,
    EmailTaken,
    LastSignInMethod,
    OAuthNotConfigured,
    SignInError,
    SignInFailed,
)
from accounts.providers import connections
from accounts.providers.models import RANDOM_BYTES, OAuthAccount
from accounts.providers.protocol import PROVIDERS, Provider
from accounts.providers.serializers import (
    BeginRequest,
    BegunResponse,
    ConnectionResponse,
    ConnectionSerializer,
    ConnectionsResponse,
    FinishRequest,
    ProvidersResponse,
)
from accounts.providers.sign_in import Begun, Linking, come_back, finish_sign_in, start_sign_in
from accounts.rules import SIGN_IN_LIFETIME
from accounts.serializers import MessageResponse, SignedInResponse
from accounts.services import SignedIn
from accounts.throttles import ProviderSignInThrottle
from accounts.views import PrivateViewSet, signed_in_response, token_fields
from core.api.errors import is_transient
from core.api.openapi import ErrorClass, operation
from core.api.requests import validate
from core.api.responses import PublicReadsMixin, json_response

logger = logging.getLogger(__name__)
RANDOM_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")
NAME = OpenApiParameter("provider", str, OpenApiParameter.PATH, enum=list(PROVIDERS))
# All that a frontend can be told when it finishes itself, but for what only a redirect tells.
FINISH_ERRORS: list[ErrorClass] = [NotFound, *SIGN_IN_ERRORS.values(), EmailTaken]


class ProvidersViewSet(PublicReadsMixin, ViewSet):
    """List the providers that one may sign in with."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="auth_providers",
        summary="Who one may sign in with",
        responses=ProvidersResponse,
        tags=["auth"],
    )
    def list(self, request: Request) -> HttpResponse:
        return json_response(
            providers=[
                {"id": provider.name, "name": provider.title, "configured": provider.is_configured()}
                for provider in PROVIDERS.values()
            ]
        )


class ProviderView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    # No HEAD: looking must not use up a sign-in.
    http_method_names = ["get", "post", "options"]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the secrets in these responses' addresses from caches and from the next site's `Referer`."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response


class StartView(ProviderView):
    throttle_classes = (ProviderSignInThrottle,)

    @operation(
        operation_id="auth_provider",
        summary="Sign in with X, Google or Discord: on to the provider's page",
        description="Open it in the browser. Sets a cookie, which the callback needs.",
        parameters=[
            NAME,
            OpenApiParameter("ref", str, description="A referral code, which counts for a new user only"),
        ],
        responses={302: OpenApiResponse(description="To the provider, or to the frontend with `error` and `details`")},
        errors=[NotFound],
        tags=["auth"],
    )
    def get(self, request: Request, provider: str) -> HttpResponse:
        browser = browser_key(request.COOKIES.get(cookie_name(provider), ""))
        code = request.query_params.get("ref", "").strip()

        def act() -> HttpResponse:
            begun = start_sign_in(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                browser=browser,
                referral_code=code,
                now=timezone.now(),
            )
            return with_cookie(HttpResponseRedirect(begun.url), provider, browser)

        return redirected(PROVIDERS[provider], act)

    @operation(
        operation_id="auth_provider_begin",
        summary="Sign in with X, Google or Discord: begin it with a code to finish it by",
        description=(
            "For frontends on phones, where the provider's app may come back in another browser, which hasn't the "
            "cookie. Keep `finishCode` in the frontend's own storage and open `url`. The callback then either signs in "
            "as always, or leads to the frontend with `error=state_expired`, `reason=other_browser`, `provider`, "
            "`code` and `state`: whoever has the code for that state sends them to `POST /auth/{provider}/finish`."
        ),
        parameters=[NAME],
        request=BeginRequest,
        responses=BegunResponse,
        errors=[NotFound, OAuthNotConfigured],
        tags=["auth"],
    )
    def post(self, request: Request, provider: str) -> HttpResponse:
        code = validate(BeginRequest, request.data).get("ref") or ""
        browser = browser_key(request.COOKIES.get(cookie_name(provider), ""))
        with failures_as_errors(PROVIDERS[provider]):
            begun = start_sign_in(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                browser=browser,
                referral_code=code.strip(),
                now=timezone.now(),
                with_finish_code=True,
            )
        return with_cookie(begun_response(begun), provider, browser)


class CallbackView(ProviderView):
    http_method_names = ["get", "options"]

    @operation(
        operation_id="auth_provider_callback",
        summary="Sign in with X, Google or Discord: back from the provider's page",
        description="For the linking of an account, to `FRONTEND_URL/auth/connect?provider=…&code=…&state=…`.",
        parameters=[NAME, *(OpenApiParameter(name, str) for name in ("code", "state", "error"))],
        responses={
            302: OpenApiResponse(
                description="To `FRONTEND_URL/auth/callback?accessToken=…&refreshToken=…&userId=…`, with "
                "`restored=true` where this sign-in gave the user a deleted account back; or to "
                "`FRONTEND_URL/?error=…&details=…`, on another path where the setting `OAUTH_ERROR_PATH` says so"
            )
        },
        errors=[NotFound],
        tags=["auth"],
    )
    def get(self, request: Request, provider: str) -> HttpResponse:
        def act() -> HttpResponse:
            outcome = come_back(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                browser=request.COOKIES.get(cookie_name(provider), ""),
                client=client_of(request),
                now=timezone.now(),
            )
            if isinstance(outcome, Linking):
                return to_frontend("/auth/connect", provider=provider, **outcome._asdict())
            restored = {"restored": "true"} if outcome.tokens.restored else {}
            return to_frontend(
                "/auth/callback", **token_fields(outcome.tokens), userId=str(outcome.user.pk), **restored
            )

        return redirected(PROVIDERS[provider], act)


class FinishView(ProviderView):
    http_method_names = ["post", "options"]
    throttle_classes = (ProviderSignInThrottle,)

    @operation(
        operation_id="auth_provider_finish",
        summary="Sign in with X, Google or Discord: finish what came back in another browser",
        description=(
            "With the `finishCode` that `POST /auth/{provider}` gave, and the `code` and `state` that the callback led "
            "to the frontend with. A `finishCode` is of use for its own state alone, once, for ten minutes."
        ),
        parameters=[NAME],
        request=FinishRequest,
        responses=SignedInResponse,
        errors=FINISH_ERRORS,
        tags=["auth"],
    )
    def post(self, request: Request, provider: str) -> HttpResponse:
        fields = validate(FinishRequest, request.data)
        with failures_as_errors(PROVIDERS[provider]):
            signed_in: SignedIn = finish_sign_in(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                **fields,
                client=client_of(request),
                now=timezone.now(),
            )
        return signed_in_response(signed_in)


class ConnectionViewSet(PrivateViewSet):
    """The accounts that a user signs in with."""

    @operation(
        operation_id="users_connections",
        summary="My linked accounts",
        description="What the providers said when they were last used.",
        responses=ConnectionsResponse,
        tags=["users"],
    )
    def list(self, request: Request) -> HttpResponse:
        user = current_user(request)
        found = list(connections.list_connections(user.pk))
        shown = [
            ConnectionSerializer.from_object(account, can_be_removed=connections.can_unlink(user, account, found))
            for account in found
        ]
        return json_response(connections=shown, hasPassword=user.has_usable_password())

    @operation(
        operation_id="users_link",
        summary="Link an account: begin",
        description=(
            "Keep `finishCode` in the frontend's own storage and open `url`. The provider's page leads back to "
            "`FRONTEND_URL/auth/connect?provider=…&code=…&state=…`, in whatever browser; send both with the code to "
            "`POST /users/me/connections/{provider}/finish`, as the same user, within ten minutes. Who denies it "
            "comes to the frontend with `error`, as when signing in."
        ),
        parameters=[NAME],
        request=None,
        responses=BegunResponse,
        errors=[NotFound, OAuthNotConfigured, AlreadyConnected],
        tags=["users"],
    )
    def begin(self, request: Request, provider: str) -> HttpResponse:
        with failures_as_errors(PROVIDERS[provider]):
            begun = connections.begin_linking(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                user_id=current_user(request).pk,
                now=timezone.now(),
            )
        return begun_response(begun)

    @operation(
        operation_id="users_link_finish",
        summary="Link an account: finish",
        description="The account lets the user sign in from now on. It verifies no address, and changes no profile.",
        parameters=[NAME],
        request=FinishRequest,
        responses=ConnectionResponse,
        errors=[NotFound, *SIGN_IN_ERRORS.values(), ConnectionTaken, AlreadyConnected],
        tags=["users"],
    )
    def finish(self, request: Request, provider: str) -> HttpResponse:
        fields = validate(FinishRequest, request.data)
        with failures_as_errors(PROVIDERS[provider]):
            account = connections.finish_linking(
                request._request,  # noqa: SLF001
                PROVIDERS[provider],
                **fields,
                user_id=current_user(request).pk,
                now=timezone.now(),
            )
        return json_response(connection=shown_alone(request, account))

    @operation(
        operation_id="users_unlink",
        summary="Unlink an account",
        description=(
            "It lets nobody sign in any more; sessions go on. The last way to sign in stays: 409 `last_sign_in_method`."
        ),
        parameters=[NAME],
        responses={200: MessageResponse},
        errors=[NotFound, ConnectionNotFound, LastSignInMethod],
        tags=["users"],
    )
    def destroy(self, request: Request, provider: str) -> HttpResponse:
        connections.unlink(user_id=current_user(request).pk, provider=provider, now=timezone.now())
        return json_response(message="The account is unlinked")


def shown_alone(request: Request, account: OAuthAccount) -> dict[str, Any]:
    user = current_user(request)
    can_be_removed = connections.can_unlink(user, account, list(connections.list_connections(user.pk)))
    return ConnectionSerializer.from_object(account, can_be_removed=can_be_removed)


def begun_response(begun: Begun) -> HttpResponse:
    seconds = int(SIGN_IN_LIFETIME.total_seconds())
    return json_response(url=begun.url, finishCode=begun.finish_code, expiresIn=seconds)


@contextmanager
def failures_as_errors(provider: Provider) -> Iterator[None]:
    """Raise the API's error for a sign-in that failed."""
    try:
        yield
    except SignInFailed as failure:
        log_failure(provider, failure)
        raise failure.as_domain_error(provider.title) from failure


def redirected(provider: Provider, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Return what `act` returns, or the redirect to the frontend that says why it failed."""
    try:
        return act()
    except SignInFailed as error:
        failure = error
    except DatabaseFailure as error:
        logger.error("sign-in: the database failed", exc_info=not is_transient(error))  # noqa: TRY400 - no stack for an outage
        failure = SignInFailed(SignInError.DATABASE_ERROR, type(error).__name__)
    log_failure(provider, failure)
    return to_frontend(settings.OAUTH_ERROR_PATH, **failure.parameters(provider.title))


def log_failure(provider: Provider, failure: SignInFailed) -> None:
    level = logging.WARNING if failure.error in SIGN_IN_WARNINGS else logging.INFO
    logger.log(level, "sign-in with %s: %s: %s", provider.title, failure.error, failure)


def to_frontend(path: str, **parameters: str) -> HttpResponse:
    return HttpResponseRedirect(f"{settings.FRONTEND_URL}{path}?{urlencode(parameters)}")


def with_cookie(response: HttpResponse, provider: str, browser: str) -> HttpResponse:
    response.set_cookie(
        cookie_name(provider),
        browser,
        max_age=SIGN_IN_LIFETIME,
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def cookie_name(provider: str) -> str:
    """Return the cookie's name. Over HTTPS only this very host can set a `__Host-` one (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{provider}-sign-in" if settings.SESSION_COOKIE_SECURE else f"{provider}-sign-in"


def browser_key(cookie: str) -> str:
    """Return the browser's own random text: the one it has, so that sign-ins in two tabs both work, or a new one."""
    return cookie if RANDOM_TEXT.fullmatch(cookie) else secrets.token_urlsafe(RANDOM_BYTES)
