from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from betting.management import SettlingDecisionCommand
from markets.models import Market
from markets.resolution import staff


class Command(SettlingDecisionCommand):
    help = (
        "Says how one market ended, as staff decide, and pays its bets; `resolve_markets` reads from Polymarket how "
        "markets ended. Exits 1 when that can't be done, 2 where bets couldn't be settled."
    )
    done = "Resolved"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("outcome", choices=list(staff.RESULTS), help="who wins; invalid returns all stakes")

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return staff.resolve_market(
            market_id=options["market_id"],
            outcome=options["outcome"],
            by=COMMAND_LINE,
            reason=options["reason"],
            now=now,
        )
