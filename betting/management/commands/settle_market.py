import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from betting.management.settling import SettlingCommand
from core.api.errors import DomainError
from core.api.json import dumps


class Command(SettlingCommand):
    help = "Pays the bets on a market that is over. Exits 1 where nothing could be done, 2 where bets are set aside."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", type=UUID, help="the market's id")
        parser.add_argument("--retry", action="store_true", help="try again the bets that were set aside, too")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = self.settle(options["market"], as_json=options["json"], retry=options["retry"])
        except DomainError as exc:
            self.refuse(exc, as_json=options["json"])
            sys.exit(1)
        if options["json"]:
            self.stdout.write(dumps({"success": True, "data": self.counts(result)}).decode())
        else:
            self.stdout.write(self.in_words(result))
        if result.set_aside:
            sys.exit(2)

    def refuse(self, exc: DomainError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": str(exc), "code": exc.code}))
        else:
            self.stderr.write(f"Failed: {exc}")
