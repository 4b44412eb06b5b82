import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core.db.pooling import refuse_mixed_up_statements
from core.jobs.queues import QUEUES
from ops.metrics import fresh_folder
from ops.processes import worker_command


class Command(BaseCommand):
    help = "Run a worker, alone, for one queue or more: `payments` for what pays, `default` for the rest."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="*", choices=[*QUEUES, []], metavar="queue", help="all of them by default")
        parser.add_argument("--concurrency", type=int, default=2, help="processes that do jobs (2)")

    def handle(self, *_args: Any, queues: list[str], concurrency: int, **_options: Any) -> None:
        refuse_mixed_up_statements()
        os.environ |= fresh_folder(settings.VAR_DIR)
        command = worker_command(*queues, concurrency=concurrency)
        os.execv(command[0], command)  # noqa: S606 - becomes the worker, so that signals reach it
