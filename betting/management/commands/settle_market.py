import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from betting.management import SettlementCommand, report_refusal
from core.api.errors import DomainError
from core.api.json import dumps


class Command(SettlementCommand):
    help = (
        "Pays the bets on a market that is over. Exits 1 where nothing could be done, 2 where bets couldn't be settled."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", type=UUID, help="the market's id")
        parser.add_argument("--retry", action="store_true", help="retry failed settlements, too")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            summary = self.settle(options["market"], as_json=options["json"], retry=options["retry"])
        except DomainError as exc:
            report_refusal(self, exc, as_json=options["json"])
            sys.exit(1)
        if options["json"]:
            self.stdout.write(dumps({"success": True, "data": self.to_json(summary)}).decode())
        else:
            self.stdout.write(self.to_text(summary))
        if summary.failed:
            sys.exit(2)
