import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from economy.ledger.anchors import compare_published
from economy.ledger.audit import INVARIANTS, Report, audit


class Command(BaseCommand):
    help = "Check that every number of credits follows from the ledger's entries; exit status 1 where one doesn't."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
        parser.add_argument(
            "--repair", action="store_true", help="first rebuild the users' columns from the entries, never the entries"
        )
        parser.add_argument(
            "--anchors", metavar="FILE", help="also compare the lines of a copy of ANCHOR_FILE with the anchors"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = audit(repair=options["repair"])
        if options["anchors"]:
            with Path(options["anchors"]).open(encoding="utf-8") as lines:
                report.findings["published_anchors"] = compare_published(lines)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict()))
        else:
            self.print(report)
        if not report.passed:
            sys.exit(1)

    def print(self, report: Report) -> None:
        if report.repaired is not None:
            self.stdout.write(f"repaired: {report.repaired} users")
        statements = {invariant.name: invariant.statement for invariant in INVARIANTS}
        statements["published_anchors"] = "Every anchor that was published is there, unchanged."
        for name, finding in report.findings.items():
            state = f"{finding.broken} BROKEN" if finding.broken else "ok"
            self.stdout.write(f"{name}: {state} of {finding.examined:,}. {statements[name]}")
            for example in finding.examples:
                self.stdout.write(f"  {example}")
        self.stdout.write(f"{'passed' if report.passed else 'FAILED'} in {report.seconds:.1f} s")
