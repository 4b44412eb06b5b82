from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets import rules
from markets.feed.selectors import feed_health


class Command(BaseCommand):
    help = "Succeed if a process is the price feed at the moment, or none is to be: its health check."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        # Whether Polymarket sends anything doesn't matter here: to start the process again wouldn't help.
        if rules.FEED_ENABLED and not feed_health(now=timezone.now()).is_running:
            raise CommandError("No process is the price feed.")
