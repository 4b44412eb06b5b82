import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from leaderboard.services import rebuild, recount
from leaderboard.tasks import JOB
from thisthat.common.jobs import run_job


class Command(BaseCommand):
    help = "Counts the leaderboards now. Exits 1 where another process is counting them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="from nothing, reading all of history")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        count = rebuild if options["rebuild"] else recount
        run = run_job(JOB, lambda: count(now=timezone.now()).as_dict())
        if run is None:
            self.refuse(as_json=options["json"])
            sys.exit(1)
        self.report(run.result or {}, as_json=options["json"])

    def refuse(self, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": "Being counted already.", "code": "busy"}))
        else:
            self.stderr.write("Failed: another process is counting them.")

    def report(self, result: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": True, "data": result}))
            return
        ranks = ", ".join(f"{number:,} {period}" for period, number in result["ranks"].items())
        self.stdout.write(
            f"Rows written: {result['days']:,} days; ranks: {ranks}; on users: {result['cached']:,}, "
            f"{result['passedOver']:,} left to the next time."
        )
