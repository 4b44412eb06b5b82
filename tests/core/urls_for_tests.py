"""The service's own paths, and besides them one small view for each way in which a view can behave or fail."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts.authentication import PublicJWTAuthentication
from accounts.models import User
from core.api.errors import DomainError
from core.api.requests import PerClientThrottle
from core.api.responses import PublicReadsMixin, json_response, unchanging

SECRET = "the-password-is-swordfish"


class Line(serializers.Serializer):
    shares = serializers.IntegerField(min_value=1)


class Owner(serializers.Serializer):
    name = serializers.CharField(max_length=5)


class Order(serializers.Serializer):
    amount = serializers.DecimalField(max_digits=7, decimal_places=2, min_value=Decimal(10), max_value=Decimal(10_000))
    message = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    owner = Owner(required=False)
    lines = Line(many=True, required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=3), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("code") == "together":
            raise serializers.ValidationError("These don't go together.", code="not_together")
        return attrs


class PublicView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)


class OrderView(PublicView):
    def post(self, request: Request) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        return Response({"success": True, "order": order.validated_data})


class EchoView(PublicView):
    def post(self, request: Request) -> Response:
        return Response({"got": request.data, "query": request.query_params.dict()})


class QueryView(PublicView):
    def get(self, request: Request) -> Response:
        return Response({"count": len(request.query_params)})


class UnchangingView(PublicView):
    made = count(1)

    def get(self, request: Request) -> Response:
        return Response(
            {"made": next(self.made), "query": request.query_params.dict(), "by": request.headers.get("X-By")}
        )


class MineView(APIView):
    """As strict as a view is that says nothing about who may ask."""

    def get(self, request: Request) -> Response:
        return Response({"userId": request.user.pk})


class AnyoneView(APIView):
    authentication_classes = (PublicJWTAuthentication,)
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        return Response({"userId": request.user.pk})


class TwiceAMinute(PerClientThrottle):
    scope = "tests"
    rate = "2/min"


class RareView(AnyoneView):
    throttle_classes = (TwiceAMinute,)


class Busy(DomainError):
    code = "busy"
    status = 503
    message = "Come back later."


class Refused(DomainError):
    code = "refused"
    message = "No."


class ValuesView(PublicView):
    def get(self, request: Request) -> Response:
        return Response(
            {
                "credits": Decimal("66.60"),
                "odds": Decimal("0.5000"),
                "many": Decimal("1E+3"),
                "sum": Decimal("0.1") + Decimal("0.2"),
                "moment": datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
                "day": date(2026, 1, 2),
                "id": UUID("01890000-0000-7000-8000-000000000000"),
                "lazy": gettext_lazy("later"),
                "set": frozenset({"one"}),
                "name": "café 🎲",
                1: None,
            }
        )


class UnspeakableView(PublicView):
    def get(self, request: Request) -> Response:
        return Response({"value": object(), "secret": SECRET})


numbers = count(1)


class NewsViewSet(PublicReadsMixin, ViewSet):
    """Responds with something new each time that it is really asked."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    cached_actions = frozenset({"remembered", "large"})
    private_actions = frozenset({"private"})

    def remembered(self, request: Request) -> HttpResponse:
        return json_response(number=next(numbers))

    def large(self, request: Request) -> HttpResponse:
        return json_response(number=next(numbers), padding="x" * int(request.query_params["size"]))

    def fresh(self, request: Request) -> HttpResponse:
        return json_response(number=next(numbers))

    def constant(self, request: Request) -> HttpResponse:
        return json_response(number=42)

    def private(self, request: Request) -> HttpResponse:
        return json_response(number=42)

    def missing(self, request: Request) -> HttpResponse:
        raise Http404


def sql(statement: str, *parameters: Any) -> Callable[[], None]:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, parameters)

    return run


def same_user_twice() -> None:
    with transaction.atomic():
        for _ in range(2):
            User.objects.create_user(email="twice@example.com", username="twice")


def raising(exception: Exception) -> Callable[[], None]:
    def run() -> None:
        raise exception

    return run


FAILURES: dict[str, Callable[[], None]] = {
    "unexpected": raising(RuntimeError(SECRET)),
    "http404": raising(Http404(SECRET)),
    "denied": raising(PermissionDenied(SECRET)),
    "suspicious": raising(SuspiciousOperation(SECRET)),
    "refused": raising(Refused()),
    "busy": raising(Busy(retry_after=2.1)),
    "busy-at-once": raising(Busy("Now, or nearly.", retry_after=0)),
    "out-of-range": sql("SELECT %s::bigint::integer", 2**40),
    "nul": sql("SELECT %s", f"{SECRET}\x00"),
    "bad-sql": sql("SELECT * FROM no_such_table WHERE secret = %s", SECRET),
    "duplicate": same_user_twice,
    "cancelled": sql("DO $$ BEGIN RAISE SQLSTATE '57014'; END $$"),
    "deadlock": sql("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"),
    "serialization": sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"),
    "locked": sql("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$"),
    "shutdown": sql("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$"),
    "read-only": sql("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$"),
    "disk-full": sql("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$"),
    "io-error": sql("DO $$ BEGIN RAISE SQLSTATE '58030'; END $$"),
    "lost": sql("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$"),
    "asks-database": sql("SELECT 1"),
}


class FailingView(PublicView):
    def get(self, request: Request, failure: str) -> Response:
        FAILURES[failure]()
        return Response({"success": True})


def plain_failing(request: HttpRequest, failure: str) -> HttpResponse:
    FAILURES[failure]()
    return HttpResponse("fine")


urlpatterns = [
    path("tests/order", OrderView.as_view()),
    path("tests/echo", EchoView.as_view()),
    path("tests/query", QueryView.as_view()),
    path("tests/mine", MineView.as_view()),
    path("tests/anyone", AnyoneView.as_view()),
    path("tests/rare", RareView.as_view()),
    path("tests/values", ValuesView.as_view()),
    path("tests/unspeakable", UnspeakableView.as_view()),
    *(
        path(f"tests/news/{name}", NewsViewSet.as_view({"get": name}))
        for name in ("remembered", "large", "fresh", "constant", "private", "missing")
    ),
    path("tests/unchanging", unchanging(UnchangingView.as_view())),
    path("api/tests/<str:failure>", FailingView.as_view()),
    path("plain/<str:failure>", plain_failing),
    path("", include("thisthat.urls")),
]
handler400 = "core.api.errors.bad_request"
handler404 = "core.api.errors.not_found"
handler500 = "core.api.errors.server_error"
