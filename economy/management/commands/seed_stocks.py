import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from economy.stocks.prices import CATALOGUE, seed_stocks


class Command(BaseCommand):
    help = "Add what is missing of the first catalogue of stocks; those that are there stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        added = seed_stocks(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps({"success": True, "data": {"added": added, "catalogue": len(CATALOGUE)}}))
        else:
            self.stdout.write(f"{added} stocks added, of {len(CATALOGUE)}")
