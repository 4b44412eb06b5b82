import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from economy.ledger.audit import snapshot
from economy.stocks.signing import Verification, verify_stock_transactions


class Command(BaseCommand):
    help = "Verify the signature and the place of every stock transaction; exit status 1 where one isn't right."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with snapshot():
            verified = verify_stock_transactions()
        if options["json"]:
            self.stdout.write(json.dumps(as_dict(verified), default=str))
        else:
            self.print(verified)
        if verified.breaches:
            sys.exit(1)

    def print(self, verified: Verification) -> None:
        for breach in verified.breaches:
            self.stdout.write(f"{breach.transaction_id}: {breach.reason}, number {breach.sequence} of {breach.user_id}")
        self.stdout.write(f"{verified.examined:,} transactions, {len(verified.breaches):,} of them broken")


def as_dict(verified: Verification) -> dict[str, Any]:
    breaches = [asdict(breach) for breach in verified.breaches]
    return {"passed": not breaches, "examined": verified.examined, "breaches": breaches}
