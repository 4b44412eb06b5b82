"""What the command line does: run, report, shrink."""

import argparse
import sys
from typing import Any

from tests.simulation.environment import Databases
from tests.simulation.model.rules import Rules
from tests.simulation.run import run
from tests.simulation.simulation import Report, Settings


def simulate(options: argparse.Namespace, databases: Databases) -> int:
    """Run what the options say, print what came of it, and return the exit status."""
    rules = Rules()
    numbers: Any = range(1, options.operations + 1)
    try:
        if options.expect:
            rules = rules.changed(*options.expect.split("=", 1))
        if options.only:
            numbers = parse_numbers(options.only)
    except (ValueError, TypeError) as exc:
        print(f"{exc}", file=sys.stderr)
        return 2
    settings = Settings(
        seed=options.seed,
        numbers=numbers,
        rules=rules,
        audit_every=options.audit_every,
        disturbed=not options.undisturbed,
    )
    report = run(settings, databases)
    if options.trace:
        for number, line in report.log:
            print(f"{number:>7}  {line}")
    print(summary(options.seed, report))
    if not report.failed:
        return 0
    print(f"VIOLATION at operation {report.number}: {report.rule}\n    {report.found}")
    return 1


def summary(seed: int, report: Report) -> str:
    speed = report.operations / report.seconds if report.seconds else 0
    return (
        f"seed {seed}: {report.operations:,} operations in {report.seconds:.1f} s ({speed:.0f}/s), "
        f"trace {report.trace[:16]}"
    )


def parse_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `1-40,77`, in order. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))
