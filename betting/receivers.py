"""What betting does when a market has ended: it settles soon. A nudge that is lost costs a minute, until the sweep."""

import logging
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from kombu.exceptions import OperationalError

from betting.tasks import settle_market
from markets.signals import market_ended

logger = logging.getLogger(__name__)


@receiver(market_ended, dispatch_uid="betting.settle_market")
def on_market_ended(*, market_id: UUID, **kwargs: Any) -> None:
    try:
        settle_market.delay(str(market_id))
    except OperationalError as exc:
        logger.warning("market %s waits for the sweep: the queue is away: %s", market_id, exc)
