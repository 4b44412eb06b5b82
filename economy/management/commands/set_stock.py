from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from economy.stocks.models import Stock
from economy.stocks.prices import change_status, set_price
from thisthat.common.errors import DomainError


class Command(BaseCommand):
    help = "Set a stock's price, with a reason that is kept, or its status."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("--by", required=True, help="the username of the staff member who does it")
        parser.add_argument("--price", help="credits a share, at most 8 decimals")
        parser.add_argument("--reason", default="", help="why; required with --price")
        parser.add_argument("--status", choices=Stock.Status.values)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.change(options)
        except (DomainError, Stock.DoesNotExist, User.DoesNotExist) as exc:
            raise CommandError(str(exc)) from exc
        except InvalidOperation as exc:
            raise CommandError("--price isn't a number.") from exc

    def change(self, options: dict[str, Any]) -> None:
        where: dict[str, Any] = {
            "stock_id": Stock.objects.get(symbol=options["symbol"]).pk,
            "staff_id": User.objects.get(username=options["by"]).pk,
            "now": timezone.now(),
        }
        if options["price"] is not None:
            set_price(**where, price=Decimal(options["price"]), reason=options["reason"])
        if options["status"]:
            change_status(**where, status=Stock.Status(options["status"]))
        self.stdout.write(f"{Stock.objects.get(pk=where['stock_id'])}")
