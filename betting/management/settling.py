"""What commands that pay bets share: the settlement with a progress bar, and its counts."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from betting.models import Bet
from betting.settlement import Summary, settle_market

BAR_WIDTH = 30


class SettlingCommand(BaseCommand):
    """`settled`: bets settled by this command; the summary says what was by then."""

    settled = 0
    total = 0
    shows_progress = False

    def settle(self, market_id: UUID, *, as_json: bool, retry: bool = False) -> Summary:
        """Raises MarketNotFound, MarketNotOver."""
        self.total = Bet.objects.filter(market_id=market_id, status=Bet.Status.PENDING).count()
        self.shows_progress = self.stderr.isatty() and not as_json
        return settle_market(market_id=market_id, now=timezone.now(), retry=retry, progress=self.show_progress)

    def show_progress(self, settled: int) -> None:
        self.settled += settled
        if self.shows_progress and self.total:
            done = min(BAR_WIDTH, BAR_WIDTH * self.settled // self.total)
            bar = "#" * done + "." * (BAR_WIDTH - done)
            self.stderr.write(f"\r[{bar}] {self.settled:,} of {self.total:,} bets", ending="")

    def counts(self, result: Summary) -> dict[str, Any]:
        return {
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

    def in_words(self, result: Summary) -> str:
        return (
            f"{self.settled:,} bets settled now. In all: {result.won:,} won {result.paid:,}, {result.lost:,} lost, "
            f"{result.cancelled:,} got {result.refunded:,} back, {result.set_aside:,} set aside."
        )
