"""What betting does when a market has ended: it settles soon. A nudge that is lost costs a minute, until the sweep."""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from betting.tasks import settle_market
from core.jobs.queues import enqueue_best_effort
from markets.signals import market_ended


@receiver(market_ended, dispatch_uid="betting.settle_market")
def on_market_ended(*, market_id: UUID, **kwargs: Any) -> None:
    enqueue_best_effort(settle_market, str(market_id))
