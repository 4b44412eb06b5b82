from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from markets.management import DecisionCommand
from markets.models import Market
from markets.resolution.staff import close_market


class Command(DecisionCommand):
    help = "Has an open market take no more bets; how it ended is told later. Exits 1 when that can't be done."
    done = "Closed"

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return close_market(market_id=options["market_id"], by=COMMAND_LINE, reason=options["reason"], now=now)
