from datetime import datetime
from typing import Any

from accounts.staff import COMMAND_LINE
from betting.management import SettlingDecisionCommand
from markets.models import Market
from markets.resolution import staff


class Command(SettlingDecisionCommand):
    help = (
        "Cancels a market that isn't over, and returns the stakes. Exits 1 when that can't be done, 2 where bets "
        "couldn't be settled."
    )
    done = "Cancelled"

    def decide(self, options: dict[str, Any], *, now: datetime) -> Market:
        return staff.void_market(market_id=options["market_id"], by=COMMAND_LINE, reason=options["reason"], now=now)
