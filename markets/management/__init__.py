"""What management commands that decide about a market share: their arguments, and how they report."""

import json
import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from core.api.errors import DomainError
from core.api.json import iso_utc
from markets.models import Market


class DecisionCommand(BaseCommand):
    """A command that decides about a market. `done`: what its output says before the market's title."""

    done: str

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        """Decide, and return the market."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market_id", type=UUID)
        parser.add_argument("--reason", required=True, help="kept with the market")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            market = self.decide(options, now=timezone.now())
        except DomainError as exc:
            self.report(options, {"success": False, "error": str(exc), "code": exc.code}, f"Failed: {exc}")
            sys.exit(1)
        facts = {
            "marketId": str(market.id),
            "status": str(market.status),
            "resolution": market.resolution,
            "resolvedAt": iso_utc(market.resolved_at) if market.resolved_at else None,
        }
        self.follow(market, options, facts, f"{self.done}: {market.title}")

    def follow(self, market: Market, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        """Act on the decision where there is more to do, and report."""
        self.report(options, {"success": True, "data": facts}, words)

    def report(self, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        else:
            (self.stdout if facts["success"] else self.stderr).write(words)
