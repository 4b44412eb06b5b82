import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from accounts.staff import COMMAND_LINE, StaffMember
from core.api.errors import DomainError
from core.api.json import dumps
from economy.stocks.models import Stock
from economy.stocks.prices import change_status, set_price


class Command(BaseCommand):
    help = "Set a stock's price or its status, for a reason that is kept; exit status 1 when that can't be done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--price", type=price, help="credits a share, at most 8 decimals")
        what.add_argument("--status", choices=Stock.Status.values)
        parser.add_argument("--reason", required=True, help="kept with the change")
        parser.add_argument("--by", help="the username of who of the staff does it, and has to be allowed to")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        stock, by = find_stock(options["symbol"]), find_staff(options["by"])
        said: dict[str, Any] = {"stock_id": stock.pk, "by": by, "reason": options["reason"], "now": timezone.now()}
        try:
            if options["price"] is not None:
                set_price(**said, price=options["price"])
            else:
                change_status(**said, status=Stock.Status(options["status"]))
        except DomainError as exc:
            self.refuse(exc, as_json=options["json"])
            sys.exit(1)
        stock.refresh_from_db()
        self.report(stock, as_json=options["json"])

    def refuse(self, exc: DomainError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": str(exc), "code": exc.code}))
        else:
            self.stderr.write(f"Failed: {exc}")

    def report(self, stock: Stock, *, as_json: bool) -> None:
        if as_json:
            data = {"stockId": stock.pk, "symbol": stock.symbol, "price": stock.current_price, "status": stock.status}
            self.stdout.write(dumps({"success": True, "data": data}).decode())
        else:
            self.stdout.write(f"{stock}, {stock.status}")


def price(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as exc:
        raise ValueError(text) from exc


def find_stock(symbol: str) -> Stock:
    """Return the stock. Raises CommandError where there is none."""
    stock = Stock.objects.filter(symbol=symbol).first()
    if stock is None:
        raise CommandError(f"There is no stock {symbol}.")
    return stock


def find_staff(username: str | None) -> StaffMember:
    """Return who of the staff does it; without a name, who uses the command line. Raises CommandError."""
    if username is None:
        return COMMAND_LINE
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user {username}.")
    return StaffMember(user)
