import json
import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.api.errors import DomainError
from markets import rules, tasks
from markets.catalog import no_progress
from markets.errors import UpstreamError
from markets.polymarket.client import job_client

BAR_WIDTH = 30


class Command(BaseCommand):
    help = "Copies Polymarket's open markets into ours, those with most volume in 24 hours first. Exits 1 on failure."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=rules.INGEST_LIMIT, help="good markets to read")
        parser.add_argument("--category", help="only markets of this category")
        parser.add_argument("--force", action="store_true", help="also when the last run was less than a minute ago")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= rules.INGEST_LIMIT_MAX:
            raise CommandError(f"--limit must be 1 to {rules.INGEST_LIMIT_MAX}")
        self.limit = options["limit"]
        try:
            result = self.ingest(options)
        except (UpstreamError, DomainError) as exc:
            self.report(options, {"success": False, "error": str(exc), "code": exc.code}, f"Failed: {exc}")
            sys.exit(1)
        words = ", ".join(f"{result[name]} {name}" for name in ("total", "created", "updated", "skipped", "errors"))
        self.report(options, {"success": True, "data": result}, words)

    def ingest(self, options: dict[str, Any]) -> dict[str, Any]:
        interval = 0 if options["force"] else rules.INGEST_MIN_INTERVAL
        category = options["category"]
        return tasks.run_ingestion_unless_recent(
            client=job_client(),
            limit=options["limit"],
            category=category.lower() if category else None,
            recheck_limit=rules.RECHECK_LIMIT,
            min_interval=timedelta(seconds=interval),
            now=timezone.now(),
            progress=self.show_progress if self.stderr.isatty() and not options["json"] else no_progress,
        )

    def show_progress(self, staged: int, total: int) -> None:
        done = min(BAR_WIDTH, BAR_WIDTH * staged // self.limit)
        bar = "#" * done + "." * (BAR_WIDTH - done)
        self.stderr.write(f"\r[{bar}] {staged} markets of {total} read", ending="")

    def report(self, options: dict[str, Any], facts: dict[str, Any], words: str) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        elif facts["success"]:
            self.stdout.write(words)
        else:
            self.stderr.write(words)
