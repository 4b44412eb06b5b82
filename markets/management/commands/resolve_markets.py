import json
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets import tasks
from markets.catalog import no_progress
from markets.errors import UpstreamError
from markets.polymarket.client import job_client
from markets.resolution.records import needing_staff
from markets.rules import RESOLVE_LIMIT, RESOLVE_LIMIT_MAX

BAR_WIDTH = 30
LISTED = 20
LISTED_AS_JSON = 1_000


class Command(BaseCommand):
    help = (
        "Reads from Polymarket how markets ended, closes what is closed and resolves what both sources agree on. "
        "`resolve_market` says it of one market, as staff decide. Exits 1 when Polymarket can't be read, 2 when a run "
        "is under way."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=RESOLVE_LIMIT, help="markets to check")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= RESOLVE_LIMIT_MAX:
            raise CommandError(f"--limit must be 1 to {RESOLVE_LIMIT_MAX}")
        now = timezone.now()
        progress = self.show_progress if self.stderr.isatty() and not options["json"] else no_progress
        try:
            result = tasks.run_resolution(client=job_client(), now=now, limit=options["limit"], progress=progress)
        except UpstreamError as exc:
            self.fail(options, str(exc), exc.code, status=1)
        if result is None:
            self.fail(options, "A run is under way already.", "resolution_running", status=2)
        listed = [str(market_id) for market_id in needing_staff(now=now)]
        if options["json"]:
            self.stdout.write(json.dumps({"success": True, "data": result, "needStaff": listed[:LISTED_AS_JSON]}))
            return
        self.stdout.write(", ".join(f"{count} {name}" for name, count in result.items()))
        for market_id in listed[:LISTED]:
            self.stdout.write(f"For staff to decide: {market_id}")

    def show_progress(self, done: int, total: int) -> None:
        filled = BAR_WIDTH * done // total
        self.stderr.write(f"\r[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done} markets of {total}", ending="")

    def fail(self, options: dict[str, Any], words: str, code: str, *, status: int) -> NoReturn:
        if options["json"]:
            self.stdout.write(json.dumps({"success": False, "error": words, "code": code}))
        else:
            self.stderr.write(f"Failed: {words}")
        sys.exit(status)
