from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from betting.management.deciding import PayingDecision
from markets.models import Market
from markets.resolution import staff as verdicts


class Command(PayingDecision):
    help = (
        "Cancels a market that isn't over, and gives back what is at stake. Exits 1 when that can't be done, 2 where "
        "bets are set aside."
    )
    done = "Cancelled"

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return verdicts.void_market(market_id=options["market_id"], by=COMMAND_LINE, reason=options["reason"], now=now)
