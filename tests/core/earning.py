"""A view that gives credits, behind `idempotent`, and how to ask it."""

import json
import os
import signal
import threading
from decimal import Decimal
from uuid import uuid4

from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from core.api.idempotency import Act, idempotent
from core.api.json import dumps
from economy.ledger import Transfer, post
from economy.models import CreditTransaction, TransactionType

inside = threading.Event()
go_on = threading.Event()


class Given(serializers.Serializer):
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, min_value=Decimal("0.01"))
    then = serializers.CharField(default="", allow_blank=True)


class UpstreamAway(Exception):
    pass


def what_follows(then: str) -> int:
    """What may happen between an effect and its response; returns the response's status."""
    match then:
        case "raise":
            raise RuntimeError("after the effect")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            inside.set()
            assert go_on.wait(20)
        case "refuse":
            return 400
        case "deadlock":
            if not inside.is_set():
                inside.set()
                with connection.cursor() as cursor:
                    cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
    return 201


class EarnView(APIView):
    """Gives the user credits."""

    @idempotent
    def post(self, request: Request) -> Act:
        given = Given(data=request.data)
        given.is_valid(raise_exception=True)
        if self.upstream_away:
            raise UpstreamAway
        then = given.validated_data["then"]
        transfer = Transfer(
            user_id=request.user.pk,
            amount=given.validated_data["amount"],
            transaction_type=TransactionType.ADMIN_ADJUSTMENT,
            reference_id=uuid4(),
        )

        def act() -> HttpResponse:
            with transaction.atomic(savepoint=False):
                posted = post(transfer, now=timezone.now())
            body = {"success": True, "newBalance": posted.balance_after, "id": posted.id}
            return HttpResponse(dumps(body), status=what_follows(then), content_type="application/json")

        return act

    upstream_away = False


urlpatterns = [
    path("tests/earn", EarnView.as_view()),
    path("tests/earn-otherwise", EarnView.as_view()),
    path("", include("thisthat.urls")),
]


def headers_of(user: User, key: str | None = "first") -> dict[str, str]:
    token = {"Authorization": f"Bearer {AccessToken.for_user(user)}"}
    return token if key is None else {**token, "Idempotency-Key": key}


def earn(user: User, key: str | None = "first", *, amount: str = "10.50", then: str = "", where: str = "earn"):
    return Client(raise_request_exception=False).post(
        f"/tests/{where}",
        json.dumps({"amount": amount, "then": then}),
        content_type="application/json",
        headers=headers_of(user, key),
    )


def earned(user: User) -> int:
    return CreditTransaction.objects.filter(user=user).count()
