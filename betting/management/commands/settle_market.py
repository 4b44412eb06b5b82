import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from betting.models import Bet
from betting.settlement import Summary, settle_market
from thisthat.common.errors import DomainError
from thisthat.common.json import dumps

BAR_WIDTH = 30


class Command(BaseCommand):
    help = "Pays the bets on a market that is over. Exits 1 where nothing could be done, 2 where bets are set aside."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", type=UUID, help="the market's id")
        parser.add_argument("--retry", action="store_true", help="try again the bets that were set aside, too")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        self.settled = 0
        self.total = Bet.objects.filter(market_id=options["market"], status=Bet.Status.PENDING).count()
        self.shows_progress = self.stderr.isatty() and not options["json"]
        try:
            result = settle_market(
                market_id=options["market"],
                now=timezone.now(),
                retry=options["retry"],
                progress=self.show_progress,
            )
        except DomainError as exc:
            self.refuse(exc, as_json=options["json"])
            sys.exit(1)
        self.report(result, as_json=options["json"])
        if result.set_aside:
            sys.exit(2)

    def show_progress(self, settled: int) -> None:
        self.settled += settled
        if self.shows_progress and self.total:
            done = min(BAR_WIDTH, BAR_WIDTH * self.settled // self.total)
            bar = "#" * done + "." * (BAR_WIDTH - done)
            self.stderr.write(f"\r[{bar}] {self.settled:,} of {self.total:,} bets", ending="")

    def refuse(self, exc: DomainError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": str(exc), "code": exc.code}))
        else:
            self.stderr.write(f"Failed: {exc}")

    def report(self, result: Summary, *, as_json: bool) -> None:
        if as_json:
            data = {
                "settledNow": self.settled,
                "resolution": result.resolution,
                "generation": result.generation,
                "won": result.won,
                "lost": result.lost,
                "cancelled": result.cancelled,
                "paid": result.paid,
                "refunded": result.refunded,
                "setAside": result.set_aside,
            }
            self.stdout.write(dumps({"success": True, "data": data}).decode())
            return
        self.stdout.write(
            f"{self.settled:,} bets settled now. In all: {result.won:,} won {result.paid:,}, {result.lost:,} lost, "
            f"{result.cancelled:,} got {result.refunded:,} back, {result.set_aside:,} set aside."
        )
