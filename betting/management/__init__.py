"""What the commands that settle markets share."""

import json
import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from betting.models import Bet
from betting.settlement import SettlementSummary, settle_market
from core.api.errors import DomainError
from core.api.json import dumps
from markets.management import DecisionCommand
from markets.models import Market

BAR_WIDTH = 30


class SettlementCommand(BaseCommand):
    """A command that settles a market, with a progress bar. `settled`: how many bets this command settled."""

    settled = 0
    total = 0
    shows_progress = False

    def settle(self, market_id: UUID, *, as_json: bool, retry: bool = False) -> SettlementSummary:
        """Settle the market. Raises MarketNotFound, MarketNotOver."""
        self.total = Bet.objects.filter(market_id=market_id, status=Bet.Status.PENDING).count()
        self.shows_progress = self.stderr.isatty() and not as_json
        return settle_market(market_id=market_id, now=timezone.now(), retry=retry, progress=self.show_progress)

    def show_progress(self, settled: int) -> None:
        self.settled += settled
        if self.shows_progress and self.total:
            done = min(BAR_WIDTH, BAR_WIDTH * self.settled // self.total)
            bar = "#" * done + "." * (BAR_WIDTH - done)
            self.stderr.write(f"\r[{bar}] {self.settled:,} of {self.total:,} bets", ending="")

    def to_json(self, summary: SettlementSummary) -> dict[str, Any]:
        return {
            "settledNow": self.settled,
            "resolution": summary.resolution,
            "generation": summary.generation,
            "won": summary.won,
            "lost": summary.lost,
            "cancelled": summary.cancelled,
            "paid": summary.paid,
            "refunded": summary.refunded,
            "setAside": summary.failed,
        }

    def to_text(self, summary: SettlementSummary) -> str:
        return (
            f"{self.settled:,} bets settled now. In all: {summary.won:,} won {summary.paid:,}, {summary.lost:,} lost, "
            f"{summary.cancelled:,} got {summary.refunded:,} back, {summary.failed:,} failed."
        )


class SettlingDecisionCommand(SettlementCommand, DecisionCommand):
    """A command that decides a market and settles its bets at once. Exits 2 where bets couldn't be settled."""

    def follow(self, market: Market, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        summary = self.settle(market.pk, as_json=options["json"])
        if options["json"]:
            self.stdout.write(dumps({"success": True, "data": facts | self.to_json(summary)}).decode())
        else:
            self.stdout.write(f"{words}\n{self.to_text(summary)}")
        if summary.failed:
            sys.exit(2)


def report_refusal(command: BaseCommand, exc: DomainError, *, as_json: bool) -> None:
    """Write an error as JSON to stdout, or as text to stderr."""
    if as_json:
        command.stdout.write(json.dumps({"success": False, "error": str(exc), "code": exc.code}))
    else:
        command.stderr.write(f"Failed: {exc}")
