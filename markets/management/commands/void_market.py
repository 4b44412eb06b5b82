from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from markets import verdicts
from markets.management.decisions import DecisionCommand
from markets.models import Market


class Command(DecisionCommand):
    help = "Cancels a market that isn't over: what is at stake goes back. Exits 1 when that can't be done."
    done = "Cancelled"

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return verdicts.void_market(market_id=options["market_id"], by=COMMAND_LINE, reason=options["reason"], now=now)
