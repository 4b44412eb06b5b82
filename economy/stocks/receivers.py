"""A new price has what it made worthless closed at once. A nudge that is lost costs a minute, until the sweep."""

from typing import Any

from django.dispatch import receiver

from core.jobs.queues import enqueue_best_effort
from economy.stocks.signals import price_changed
from economy.stocks.tasks import close_worthless_holdings


@receiver(price_changed, dispatch_uid="economy.close_worthless_holdings")
def on_price_changed(**kwargs: Any) -> None:
    enqueue_best_effort(close_worthless_holdings)
