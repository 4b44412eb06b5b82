"""Stocks of a small exchange, and users who trade through the API."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import StaffAction, User
from accounts.staff import StaffMember
from core.db.transactions import run_transaction
from economy.ledger.audit import audit
from economy.models import CreditTransaction
from economy.stocks import prices
from economy.stocks.models import Stock, StockHolding, StockPrice, StockStatusChange, StockTransaction
from economy.stocks.prices import ListedStock
from tests.economy.factories import BOOKED, make_user

URL = "/api/v1/economy"


@dataclass(slots=True)
class Trader:
    """A user with a client that sends the user's token; responses' numbers with a fraction come as Decimal."""

    user: User
    token: str

    def post(self, path: str, body: Any, **headers: str) -> Any:
        text = body if isinstance(body, (str, bytes)) else as_json(body)
        sent = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): of for name, of in headers.items()}}
        client = Client(raise_request_exception=False)
        return client.post(URL + path, text, content_type="application/json", headers=sent)

    def get(self, path: str) -> Any:
        return Client(raise_request_exception=False).get(URL + path, headers={"Authorization": f"Bearer {self.token}"})

    def buy(self, stock: Stock, shares: Any = 1, leverage: int = 1) -> dict[str, Any]:
        """A purchase that must succeed."""
        return read(self.post("/buy", order(stock, shares, leverage=leverage)))

    def sell(self, stock: Stock, shares: Any) -> dict[str, Any]:
        """A sale that must succeed."""
        return read(self.post("/sell", order(stock, shares)))

    def portfolio(self) -> dict[str, Any]:
        return read(self.get("/portfolio"))

    def booked(self) -> dict[str, Any]:
        """What the user's row says of credits now."""
        return User.objects.filter(pk=self.user.pk).values(*BOOKED).get()

    def balance(self) -> Decimal:
        return self.booked()["credit_balance"]

    def ledger_entries(self) -> list[tuple[str, Decimal, Decimal]]:
        """Type, amount and new balance of each transfer about stocks, oldest first."""
        rows = CreditTransaction.objects.filter(user=self.user, counterparty="stocks").order_by("sequence")
        return [(row.transaction_type, row.amount, row.balance_after) for row in rows]


def as_json(body: Any) -> str:
    """Decimals as JSON numbers, digit for digit."""
    if isinstance(body, Decimal):
        return format(body, "f")
    if isinstance(body, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {as_json(of)}" for name, of in body.items()) + "}"
    return json.dumps(body, default=str)


def order(stock: Stock | Any, shares: Any, **more: Any) -> dict[str, Any]:
    given = Decimal(shares) if isinstance(shares, str) else shares
    return {"stockId": str(getattr(stock, "pk", stock)), "shares": given, **more}


def read(response: Any, status: int = 200) -> dict[str, Any]:
    """The body of a success."""
    assert response.status_code == status, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def new_trader(username: str = "ann", balance: int | str = 1000, **fields: Any) -> Trader:
    user = make_user(username, balance=balance, **fields)
    return Trader(user, str(AccessToken.for_user(user)))


def list_stock(symbol: str = "ACME", price: str = "10", supply: int = 1000, leverage: int = 10) -> Stock:
    """Lists a stock of the test's own, as the catalogue's are listed."""
    listed = ListedStock(symbol, f"{symbol} Works", "Makes things.", price, supply, leverage)
    assert run_transaction(lambda: prices.list_stock(listed, now=datetime.now(UTC))) == 1
    return Stock.objects.get(symbol=symbol)


def staff() -> User:
    found = User.objects.filter(username="boss").first()
    return found or User.objects.create_superuser(email="boss@example.com", username="boss")


def by_staff() -> StaffMember:
    return StaffMember(staff(), "192.0.2.7")


def set_price(stock: Stock, price: str | Decimal, *, now: datetime | None = None) -> None:
    moment = now or datetime.now(UTC)
    prices.set_price(stock_id=stock.pk, price=Decimal(price), by=by_staff(), reason="The test moves it.", now=moment)


def set_status(stock: Stock, status: Stock.Status) -> None:
    prices.change_status(
        stock_id=stock.pk, status=status, by=by_staff(), reason="The test asks for it.", now=datetime.now(UTC)
    )


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["success"], body["code"]) == (status, False, code), body
    return body


def assert_audit_passes() -> None:
    """The audit passes, the checks of stocks among its checks."""
    report = audit()
    stocks = {
        f"stock_{name}" for name in ("supply", "prices", "statuses", "holdings", "journal", "terms", "signatures")
    }
    assert stocks | {"profit", "expended", "locked"} <= report.findings.keys()
    assert report.passed, report.as_dict()


def everything() -> list[Any]:
    """All that a refusal must leave as it was."""
    tables = (Stock, StockHolding, StockTransaction, StockPrice, StockStatusChange, CreditTransaction, StaffAction)
    return [list(table.objects.order_by("pk").values()) for table in tables] + [
        list(User.objects.order_by("pk").values(*BOOKED))
    ]


def execute(statement: str, *parameters: Any) -> int:
    """Raw SQL, as the application's own role can send it; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount
