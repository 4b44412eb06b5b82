"""Decisions that pay: the market's command decides, and its bets are settled at once instead of by the worker."""

import sys
from typing import Any

from betting.management.settling import SettlingCommand
from core.api.json import dumps
from markets.management.decisions import DecisionCommand
from markets.models import Market


class PayingDecision(SettlingCommand, DecisionCommand):
    """Exits 2 where bets are set aside."""

    def follow(self, market: Market, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        result = self.settle(market.pk, as_json=options["json"])
        if options["json"]:
            self.stdout.write(dumps({"success": True, "data": facts | self.counts(result)}).decode())
        else:
            self.stdout.write(f"{words}\n{self.in_words(result)}")
        if result.set_aside:
            sys.exit(2)
