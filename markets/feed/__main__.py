"""`python -m markets.feed`: the price feed as a process of its own, until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable

import django
from django.conf import settings

from core import backends

# A database that is frozen holds up the feed's thread for so long.
STATEMENT_SECONDS = 5.0


async def run() -> None:
    from markets import rules  # noqa: PLC0415 - after django.setup(), as the next
    from markets.feed.process import Feed  # noqa: PLC0415
    from markets.polymarket.client import FEED, make_client  # noqa: PLC0415

    if not rules.FEED_ENABLED:
        logging.getLogger("markets.feed").info("FEED_ENABLED is false: nothing to do")
        stopping = asyncio.Event()
        on_signals(stopping.set)
        await stopping.wait()
        return
    feed = Feed(url=settings.POLYMARKET_WS_URL, client=make_client(FEED))
    on_signals(feed.stop)
    await feed.run()


def on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")
    backends.bound_statements(settings.DATABASES["default"], seconds=STATEMENT_SECONDS)
    django.setup()
    asyncio.run(run())
    # Not through Python's own end, which would wait for a thread that waits for a database that doesn't respond.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
