import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from markets import verdicts
from thisthat.common.errors import DomainError
from thisthat.common.json import iso_utc


class Command(BaseCommand):
    help = "Cancels a market that isn't over: what is at stake goes back. Exits 1 when that can't be done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market_id", type=UUID)
        parser.add_argument("--reason", required=True, help="kept with the market")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            market = verdicts.void_market(
                market_id=options["market_id"], by=COMMAND_LINE, reason=options["reason"], now=timezone.now()
            )
        except DomainError as exc:
            self.report(options, {"success": False, "error": str(exc), "code": exc.code}, f"Failed: {exc}")
            sys.exit(1)
        facts = {
            "marketId": str(market.id),
            "status": str(market.status),
            "resolution": market.resolution,
            "resolvedAt": iso_utc(market.resolved_at) if market.resolved_at else None,
        }
        self.report(options, {"success": True, "data": facts}, f"Cancelled: {market.title}")

    def report(self, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        else:
            (self.stdout if facts["success"] else self.stderr).write(words)
