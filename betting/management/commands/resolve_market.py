from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from betting.management.deciding import PayingDecision
from markets.models import Market
from markets.resolution import staff as verdicts


class Command(PayingDecision):
    help = "Says how one market ended, and pays its bets. Exits 1 when that can't be done, 2 where bets are set aside."
    done = "Resolved"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("outcome", choices=list(verdicts.RESULTS), help="who wins; invalid gives all stakes back")

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return verdicts.resolve_market(
            market_id=options["market_id"],
            outcome=options["outcome"],
            by=COMMAND_LINE,
            reason=options["reason"],
            now=now,
        )
