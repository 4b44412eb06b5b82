"""A new price has what it made worthless closed at once."""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from economy.stocks.signals import price_changed
from economy.stocks.tasks import close_worthless_holdings


@receiver(price_changed, dispatch_uid="economy.close_worthless_holdings")
def on_price_changed(*, stock_id: UUID, **kwargs: Any) -> None:
    close_worthless_holdings.delay()
