"""Small builders for the tests of the accounts app: users come through our own services and endpoints."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.test import Client as HttpClient

from accounts import services, suspension, verification
from accounts.email_tokens import Purpose, make_token
from accounts.models import RefreshToken, User
from accounts.services import SignedIn
from accounts.staff import COMMAND_LINE
from accounts.tokens import Client, TokenPair, digest

AUTH = "/api/v1/auth"
USERS = "/api/v1/users"
PASSWORD = "correct horse battery"
SOMEWHERE = Client("a test", "203.0.113.7")
ME_FIELDS = {
    "id",
    "username",
    "email",
    "emailVerified",
    "pendingEmail",
    "name",
    "avatarUrl",
    "bio",
    "creditBalance",
    "availableCredits",
    "lockedCredits",
    "expendedCredits",
    "consecutiveDaysOnline",
    "referralCode",
    "referralCount",
    "referralCreditsEarned",
    "totalVolume",
    "overallPnL",
    "lastDailyRewardAt",
    "lastLoginAt",
    "rankByPnL",
    "rankByVolume",
    "createdAt",
    "totalBets",
    "winRate",
    "biggestWin",
    "profileImageUrl",
    "dailyStreak",
}
PUBLIC_FIELDS = {
    "id",
    "username",
    "name",
    "avatarUrl",
    "bio",
    "creditBalance",
    "totalVolume",
    "overallPnL",
    "rankByPnL",
    "rankByVolume",
    "createdAt",
}
MONEY_FIELDS = ("creditBalance", "totalVolume", "overallPnL")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
numbers = count(1)


def sign_up(username: str = "", **fields: Any) -> SignedIn:
    name = username or f"person_{next(numbers)}"
    given: dict[str, Any] = {
        "username": name,
        "email": f"{name}@example.com",
        "name": name.title(),
        "password": PASSWORD,
        "referral_code": None,
        "client": SOMEWHERE,
        "now": datetime.now(UTC),
    }
    return services.sign_up(**(given | fields))


def sign_up_verified(username: str = "", **fields: Any) -> SignedIn:
    """Signed up, and the link of the mail was used."""
    signed_in = sign_up(username, **fields)
    verify(signed_in.user, now=fields.get("now"))
    return signed_in


def verify(user: User, *, now: datetime | None = None) -> User:
    """Use the link that verifies the user's address."""
    now = now or datetime.now(UTC)
    user.refresh_from_db()
    return verification.verify_email(token=make_token(user, Purpose.EMAIL_VERIFICATION, now=now), now=now)


def leaver() -> SignedIn:
    """Signed in, and without credits or anything else that keeps a user from being deleted."""
    name = f"leaver_{next(numbers)}"
    user = User.objects.create_user(email=f"{name}@example.com", username=name, password=PASSWORD)
    return services.log_in(email=user.email, password=PASSWORD, client=SOMEWHERE, now=datetime.now(UTC))


def refresh(refresh_token: str, *, now: datetime | None = None) -> TokenPair:
    return services.refresh(refresh_token=refresh_token, client=SOMEWHERE, now=now or datetime.now(UTC))


def form(username: str = "ann", **fields: Any) -> dict[str, Any]:
    """What the signup form sends."""
    own = {"username": username, "email": "ann@example.com", "password": PASSWORD, "name": "Ann Example"}
    return {name: value for name, value in (own | fields).items() if value is not ...}


def send(http: HttpClient, path: str, body: Any, *, method: str = "POST", **headers: str) -> Any:
    return http.generic(method, path, json.dumps(body), content_type="application/json", headers=headers)


def bearer(who: SignedIn | TokenPair | str) -> dict[str, str]:
    pair = who.tokens if isinstance(who, SignedIn) else who
    return {"Authorization": f"Bearer {pair.access if isinstance(pair, TokenPair) else pair}"}


def success(response: Any, status: int = 200) -> dict[str, Any]:
    """The body of a good response; numbers with a fraction as Decimal, so that nothing is lost."""
    assert response.status_code == status, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an error response of that status and code, in the one shape."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert body["success"] is False
    assert body["code"] == code
    assert body["error"]
    assert ("details" in body) == (code == "validation_error")
    return body


def faults(response: Any) -> dict[str, str]:
    """The code of the fault of each field that a validation error names."""
    return {detail["field"]: detail["code"] for detail in refusal(response, 400, "validation_error")["details"]}


def suspend(user: User, *, now: datetime) -> User:
    return suspension.suspend_user(user_id=user.pk, by=COMMAND_LINE, reason="Cheats.", now=now)


def restore(user: User, *, now: datetime) -> User:
    return suspension.restore_user(user_id=user.pk, by=COMMAND_LINE, reason="Was a mistake.", now=now)


def stored(refresh_token: str) -> RefreshToken:
    return RefreshToken.objects.get(token_hash=digest(refresh_token))


def live_tokens(user: User) -> int:
    return RefreshToken.objects.filter(user=user, revoked_at=None).count()


def everything() -> tuple[list[Any], list[Any]]:
    """All that a refused request must leave as it was."""
    return list(User.objects.order_by("pk").values()), list(RefreshToken.objects.order_by("pk").values())
