import logging
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from core.api.json import dumps
from ops.doctor import Finding, State, examine

MARKS = {State.OK: "ok     ", State.WARNING: "WARNING", State.FAILURE: "FAILURE"}


class Command(BaseCommand):
    help = (
        "Look at settings, database, clock, migrations, cache, queue, upstream, jobs and disk, and say what to do. "
        "Ends with 1 where something fails."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *_args: Any, **options: Any) -> None:
        with silent_logs():
            findings = examine()
        self.stdout.write(dumps(as_object(findings)).decode() if options["json"] else as_lines(findings))
        sys.stdout.flush()
        if not is_well(findings):
            sys.exit(1)


@contextmanager
def silent_logs() -> Iterator[None]:
    """Silence the logs meanwhile: what the checks meet is in the report."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def is_well(findings: list[Finding]) -> bool:
    return all(finding.state != State.FAILURE for finding in findings)


def as_object(findings: list[Finding]) -> dict[str, Any]:
    return {"ok": is_well(findings), "findings": [asdict(finding) for finding in findings]}


def as_lines(findings: list[Finding]) -> str:
    counts = Counter(finding.state for finding in findings)
    summary = f"{counts[State.FAILURE]} failures, {counts[State.WARNING]} warnings"
    return "\n".join([*map(as_line, findings), summary])


def as_line(finding: Finding) -> str:
    advice = f" -> {finding.advice}" if finding.advice else ""
    return f"{MARKS[finding.state]}  {finding.check:<10}  {finding.text}{advice}"
