"""Users who bet through the API, and the audit that must pass afterwards."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.registration import user_registered
from accounts.staff import COMMAND_LINE
from betting.makers import open_lmsr_market
from betting.models import Bet
from economy.ledger.audit import audit
from economy.models import CreditTransaction
from markets.house import Question
from markets.models import Market
from tests.economy.factories import BOOKED, create_user

BETS = "/api/v1/bets"


@dataclass(slots=True)
class Player:
    """A user with a client that sends the user's token; responses' numbers with a fraction come as Decimal."""

    user: User
    token: str

    @property
    def id(self) -> UUID:
        return self.user.pk

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        text = body if isinstance(body, (str, bytes)) else json.dumps(body, default=number)
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        client = Client(raise_request_exception=False)
        return client.post(BETS + path, "" if body is None else text, content_type="application/json", headers=sent)

    def get(self, path: str, **query: Any) -> Any:
        client = Client(raise_request_exception=False)
        return client.get(BETS + path, query, headers={"Authorization": f"Bearer {self.token}"})

    def bet(self, market: Market, amount: int | str = 100, side: str = "this", **more: Any) -> dict[str, Any]:
        """A bet that must be taken."""
        return read(self.post("", order(market, amount, side, **more)), 201)["bet"]

    def sell(self, bet: dict[str, Any], amount: str | None = None, **headers: str) -> dict[str, Any]:
        """A sale that must succeed."""
        return read(self.post(f"/{bet['id']}/sell", None if amount is None else {"amount": Decimal(amount)}, **headers))

    def show(self, bet: dict[str, Any]) -> dict[str, Any]:
        return read(self.get(f"/{bet['id']}"))["bet"]

    def booked(self) -> dict[str, Any]:
        """What the user's row says of credits now."""
        return User.objects.filter(pk=self.id).values(*BOOKED).get()

    def ledger_entries(self) -> list[tuple[str, Decimal, Decimal]]:
        """Type, amount and new balance of each transfer, oldest first."""
        rows = CreditTransaction.objects.filter(user_id=self.id).order_by("sequence")
        return [(row.transaction_type, row.amount, row.balance_after) for row in rows]


def set_book(there: Any, bid: str, ask: str, *, shares: int = 1_000) -> None:
    """Give a simulated market an order book of one bid and one ask."""
    there.set_book(bids=[(bid, shares)], asks=[(ask, shares)])


def number(value: Any) -> Any:
    """Decimals as JSON numbers."""
    return float(value) if isinstance(value, Decimal) else str(value)


def sign_up(username: str = "ann", **fields: Any) -> Player:
    """A new user, with the credits that signing up brings."""
    with transaction.atomic():
        user = create_user(username, **fields)
        user_registered.send(sender=User, user=user, referrer=None, now=datetime.now(UTC))
    user.refresh_from_db()
    return Player(user, str(AccessToken.for_user(user)))


def order(market: Market | str, amount: Any = 100, side: str = "this", **more: Any) -> dict[str, Any]:
    reference = market if isinstance(market, str) else str(market.pk)
    given = Decimal(amount) if isinstance(amount, str) else amount
    return {"marketId": reference, "side": side, "amount": given, **more}


def read(response: Any, status: int = 200) -> dict[str, Any]:
    """The body of a success."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def everything(*players: Player) -> list[Any]:
    """All that a refusal must leave as it was."""
    rows = list(Bet.objects.order_by("pk").values())
    return [rows, CreditTransaction.objects.count(), [player.booked() for player in players]]


def assert_audit_passes() -> None:
    """The audit passes, the checks of betting among its checks."""
    report = audit()
    assert {"bets", "sales", "locked", "profit", "chains"} <= report.findings.keys()
    assert report.passed, report.as_dict()


def execute(statement: str, *parameters: Any) -> int:
    """Raw SQL, as the application's own role can send it; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def add_lmsr(odds: str = "0.5", subsidy: str = "1000", **fields: Any) -> Market:
    """A market that prices itself, made by staff at the command line."""
    words = {"title": "Will it rain?", "this_option": "Yes", "that_option": "No", "expires_at": None} | fields
    question = Question(image_url="https://img.example/rain.png", **words)
    given = {"this_odds": Decimal(odds), "subsidy": Decimal(subsidy), "reason": "A test.", "now": datetime.now(UTC)}
    return open_lmsr_market(question, by=COMMAND_LINE, **given)
