"""A new price has what it made worthless closed at once. A nudge that is lost costs a minute, until the sweep."""

import logging
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from kombu.exceptions import OperationalError

from economy.stocks.signals import price_changed
from economy.stocks.tasks import close_worthless_holdings

logger = logging.getLogger(__name__)


@receiver(price_changed, dispatch_uid="economy.close_worthless_holdings")
def on_price_changed(*, stock_id: UUID, **kwargs: Any) -> None:
    try:
        close_worthless_holdings.delay()
    except (OperationalError, OSError) as exc:
        logger.warning("holdings of stock %s wait for the sweep: the queue is away: %s", stock_id, exc)
