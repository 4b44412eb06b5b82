"""`/api/v1/auth/x` and its callback. A browser comes here, so every response redirects it: to X or to the frontend.

The settings alone decide where to; no header and no parameter has a say.
"""

import logging
import re
import secrets
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import client_of
from accounts.errors import X_SIGN_IN_WARNINGS, XSignInFailed
from accounts.rules import X_SIGN_IN_LIFETIME
from accounts.throttles import XSignInThrottle
from accounts.x.models import RANDOM_BYTES
from accounts.x.sign_in import finish_sign_in, start_sign_in
from core.api.openapi import operation

logger = logging.getLogger(__name__)
RANDOM_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")


class XView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    # No HEAD: looking must not use up a sign-in.
    http_method_names = ["get", "options"]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the secrets in these responses' addresses from caches and from the next site's `Referer`."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response


class StartView(XView):
    throttle_classes = (XSignInThrottle,)

    @operation(
        operation_id="auth_x",
        summary="Sign in with X: on to X's page",
        description="Open it in the browser. Sets a cookie, which the callback needs.",
        parameters=[OpenApiParameter("ref", str, description="A referral code, which counts for a new user only")],
        responses={302: OpenApiResponse(description="To X, or to the frontend with `error` and `details`")},
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponse:
        browser = browser_key(request.COOKIES.get(cookie_name(), ""))
        code = request.query_params.get("ref", "").strip()
        try:
            url = start_sign_in(request._request, referral_code=code, browser=browser, now=timezone.now())  # noqa: SLF001
        except XSignInFailed as failure:
            return redirect_with_error(failure)
        response = HttpResponseRedirect(url)
        response.set_cookie(
            cookie_name(),
            browser,
            max_age=X_SIGN_IN_LIFETIME,
            path="/",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response


class CallbackView(XView):
    @operation(
        operation_id="auth_x_callback",
        summary="Sign in with X: back from X's page",
        parameters=[OpenApiParameter(name, str) for name in ("code", "state", "error")],
        responses={
            302: OpenApiResponse(
                description="To `FRONTEND_URL/auth/callback?accessToken=…&refreshToken=…&userId=…`, with "
                "`restored=true` where this sign-in gave the user a deleted account back; or to "
                "`FRONTEND_URL/?error=…&details=…`, on another path where the setting `X_ERROR_PATH` says so"
            )
        },
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponse:
        try:
            signed_in = finish_sign_in(
                request._request,  # noqa: SLF001
                browser=request.COOKIES.get(cookie_name(), ""),
                client=client_of(request),
                now=timezone.now(),
            )
        except XSignInFailed as failure:
            return redirect_with_error(failure)
        parameters = {
            "accessToken": signed_in.tokens.access,
            "refreshToken": signed_in.tokens.refresh,
            "userId": str(signed_in.user_id),
            **({"restored": "true"} if signed_in.tokens.restored else {}),
        }
        return HttpResponseRedirect(f"{settings.FRONTEND_URL}/auth/callback?{urlencode(parameters)}")


def redirect_with_error(failure: XSignInFailed) -> HttpResponse:
    level = logging.WARNING if failure.error in X_SIGN_IN_WARNINGS else logging.INFO
    logger.log(level, "sign-in with X: %s: %s", failure.error, failure)
    return HttpResponseRedirect(f"{settings.FRONTEND_URL}{settings.X_ERROR_PATH}?{urlencode(failure.parameters())}")


def cookie_name() -> str:
    """Return the cookie's name. Over HTTPS only this very host can set a `__Host-` one (RFC 6265bis, 4.1.3.2)."""
    return "__Host-x-sign-in" if settings.SESSION_COOKIE_SECURE else "x-sign-in"


def browser_key(cookie: str) -> str:
    """Return the browser's own random text: the one it has, so that sign-ins in two tabs both work, or a new one."""
    return cookie if RANDOM_TEXT.fullmatch(cookie) else secrets.token_urlsafe(RANDOM_BYTES)
