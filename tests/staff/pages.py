"""Addresses, forms and text of the admin's pages about users, for tests."""

import html
import re
from typing import Any
from uuid import uuid4

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import StaffAction, User
from economy.models import CreditAdjustment, CreditTransaction
from tests.economy.factories import staff_actions

WHY = {"reason": "Asked by mail."}


def act(name: str, user: User) -> str:
    """The address of what staff may do about a user."""
    return reverse("admin:accounts_user_act", args=[user.pk, name])


def page(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def adjustment(amount: int | str, **fields: Any) -> dict[str, Any]:
    """What the form sends."""
    direction = "take" if str(amount).startswith("-") else "give"
    sent = {"direction": direction, "amount": str(amount).removeprefix("-"), "request_id": str(uuid4())}
    return sent | WHY | fields


def decide(response: str, asked: CreditAdjustment) -> str:
    return reverse("admin:economy_creditadjustment_decide", args=[asked.pk, response])


def text_of(response: HttpResponse) -> str:
    """What a person reads on the page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def balance(user: User) -> Any:
    return User.objects.values_list("credit_balance", flat=True).get(pk=user.pk)


def records(action: str) -> list[StaffAction]:
    return list(staff_actions().filter(action=action).order_by("id"))


def everything() -> list[Any]:
    """All that a refusal must leave as it was."""
    kept = (User, CreditTransaction, CreditAdjustment, StaffAction)
    return [list(model.objects.order_by("pk").values()) for model in kept]  # type: ignore[attr-defined]


def statements(browser: Client, address: str) -> int:
    """How many statements it takes to respond, once what waits was counted for the sidebar."""
    browser.get(address)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert browser.get(address).status_code == 200
    return len(asked)
