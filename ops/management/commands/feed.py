import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core.db.pooling import refuse_mixed_up_statements
from ops.metrics import fresh_folder
from ops.processes import feed_command


class Command(BaseCommand):
    help = "Run the price feed, alone. Of several one is the feed, and another takes over within seconds of its end."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        refuse_mixed_up_statements()
        os.environ |= fresh_folder(settings.VAR_DIR)
        command = feed_command()
        os.execv(command[0], command)  # noqa: S606 - becomes the feed, so that signals reach it
