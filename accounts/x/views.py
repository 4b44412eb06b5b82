"""`/api/v1/auth/x` and its callback. A person's browser comes here, so every answer sends it on: to X or the frontend.

Where to is fixed by the settings; no header and no parameter has a say.
"""

import logging
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.clients import client_of
from accounts.x import flow, state
from accounts.x.failures import NOT_THE_PERSONS, SignInFailed
from accounts.x.throttles import StartThrottle

logger = logging.getLogger(__name__)


class XView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    # No HEAD: looking must not use up a sign-in.
    http_method_names = ["get", "options"]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The addresses in these answers are secrets: not for a cache, nor for the next site's `Referer`."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response


class StartView(XView):
    throttle_classes = (StartThrottle,)

    @extend_schema(
        operation_id="auth_x",
        summary="Sign in with X: on to X's page",
        description="Open it in the browser. Sets a cookie, which the callback needs.",
        parameters=[OpenApiParameter("ref", str, description="A referral code, which counts for a new user only")],
        responses={302: OpenApiResponse(description="To X, or to the frontend with `error` and `details`")},
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponse:
        browser = state.browser_key(request.COOKIES.get(cookie_name(), ""))
        code = request.query_params.get("ref", "").strip()
        try:
            url = flow.begin(request._request, referral_code=code, browser=browser, now=timezone.now())  # noqa: SLF001
        except SignInFailed as failure:
            return sent_back(failure)
        response = HttpResponseRedirect(url)
        response.set_cookie(
            cookie_name(),
            browser,
            max_age=state.LIFETIME,
            path="/",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response


class CallbackView(XView):
    @extend_schema(
        operation_id="auth_x_callback",
        summary="Sign in with X: back from X's page",
        parameters=[OpenApiParameter(name, str) for name in ("code", "state", "error")],
        responses={
            302: OpenApiResponse(
                description="To `FRONTEND_URL/auth/callback?accessToken=…&refreshToken=…&userId=…`, or to "
                "`FRONTEND_URL/?error=…&details=…`"
            )
        },
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponse:
        try:
            signed_in = flow.finish(
                request._request,  # noqa: SLF001
                browser=request.COOKIES.get(cookie_name(), ""),
                client=client_of(request),
                now=timezone.now(),
            )
        except SignInFailed as failure:
            return sent_back(failure)
        told = {
            "accessToken": signed_in.tokens.access,
            "refreshToken": signed_in.tokens.refresh,
            "userId": str(signed_in.user_id),
        }
        return HttpResponseRedirect(f"{settings.FRONTEND_URL}/auth/callback?{urlencode(told)}")


def sent_back(failure: SignInFailed) -> HttpResponse:
    level = logging.WARNING if failure.failure in NOT_THE_PERSONS else logging.INFO
    logger.log(level, "sign-in with X: %s: %s", failure.failure, failure)
    return HttpResponseRedirect(f"{settings.FRONTEND_URL}/?{urlencode(failure.parameters())}")


def cookie_name() -> str:
    """Over HTTPS browsers let nobody but this very host set a `__Host-` cookie (RFC 6265bis, 4.1.3.2)."""
    return "__Host-x-sign-in" if settings.SESSION_COOKIE_SECURE else "x-sign-in"
