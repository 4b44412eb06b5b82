import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from core.jobs.runs import run_job
from leaderboard.services import no_progress, rebuild_leaderboard, update_leaderboard
from leaderboard.tasks import JOB

EPILOG = """
Exit status: 0 when they are counted, 1 when another process is counting them and nothing was done.
"""


class Command(BaseCommand):
    help = "Counts the leaderboards now, as the worker does every 15 minutes." + EPILOG

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="count everything anew")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        count = rebuild_leaderboard if options["rebuild"] else update_leaderboard
        progress = no_progress if options["json"] else self.show_progress
        run = run_job(JOB, lambda: count(now=timezone.now(), progress=progress).as_dict())
        if run is None:
            self.refuse(as_json=options["json"])
            sys.exit(1)
        self.report(run.result or {}, as_json=options["json"])

    def show_progress(self, counted: str, rows: int) -> None:
        self.stderr.write(f"{counted}: {rows:,} rows written")

    def refuse(self, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": "Being counted already.", "code": "busy"}))
        else:
            self.stderr.write("Failed: another process is counting them.")

    def report(self, result: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": True, "data": result}))
            return
        standings = ", ".join(f"{rows:,} {period}" for period, rows in result["standings"].items())
        self.stdout.write(
            f"Rows written: {result['days']:,} days; standings: {standings}, {result['categories']:,} of categories."
        )
