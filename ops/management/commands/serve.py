import os
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core.db.pooling import refuse_mixed_up_statements
from ops.metrics import fresh_folder
from ops.processes import web_command


class Command(BaseCommand):
    help = "Run the web server alone, on HOST and PORT."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        refuse_mixed_up_statements()
        # An API alone needs no static files: the server looks for their folder, and goes on without.
        with suppress(OSError):
            settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        os.environ |= fresh_folder(settings.VAR_DIR)
        command = web_command(settings)
        os.execv(command[0], command)  # noqa: S606 - becomes the server, so that signals reach it
