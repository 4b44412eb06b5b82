"""What the command line does: run, report, and look for a shorter replay of what was found."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from tests.simulation.environment import Databases
from tests.simulation.model.rules import Rules
from tests.simulation.run import run
from tests.simulation.shrink import shrink
from tests.simulation.simulation import Report, Settings

# Of a violation's run so many of the last operations are printed.
SHOWN = 30


def settings_of(options: argparse.Namespace) -> Settings:
    """Return what the options say. Raises ValueError."""
    numbers = parse_numbers(options.only) if options.only else range(1, options.operations + 1)
    rules = Rules()
    if options.expect:
        name, _, value = options.expect.partition("=")
        rules = rules.changed(name, value)
    disturbed = not options.undisturbed
    return Settings(options.seed, numbers, rules, audit_every=options.audit_every, disturbed=disturbed)


def simulate(options: argparse.Namespace, databases: Databases) -> int:
    """Run what the options say, print what came of it, and return the exit status."""
    settings = settings_of(options)
    report = run(replace(settings, progress=options.progress), databases)
    if options.trace:
        print_log(report.log)
    print(summary(settings.seed, report))
    if options.counts:
        print("    " + ", ".join(f"{name} {count:,}" for name, count in sorted(report.counts.items())))
    if not report.failed:
        print("No rule was broken.")
        return 0
    print_violation(report)
    print_log(report.log[-SHOWN:])
    if options.shrink_tries > 0 and len(settings.numbers) > 1:
        print_shrunk(options, settings, report, databases)
    return 1


def print_shrunk(options: argparse.Namespace, settings: Settings, report: Report, databases: Databases) -> None:
    """Find a shorter replay, and print it with the command that does it again."""
    print(f"Looking for a shorter replay, in up to {options.shrink_tries} tries ...", flush=True)

    def attempt(numbers: tuple[int, ...]) -> Report:
        return run(replace(settings, numbers=numbers), databases)

    numbers, shorter = shrink(report, settings.numbers, attempt, tries=options.shrink_tries)
    print(f"\n{len(numbers):,} of {report.operations:,} operations are enough:")
    print_log(shorter.log)
    print_violation(shorter)
    more = [f"--expect {options.expect}" if options.expect else "", "--undisturbed" if options.undisturbed else ""]
    command = f"python -m tests.simulation --seed {settings.seed} --only {format_numbers(numbers)}"
    print("Replay it:\n    " + " ".join([command, *filter(None, more)]))


def print_violation(report: Report) -> None:
    print(f"VIOLATION at operation {report.number}: {report.rule}\n    {report.found}", flush=True)


def print_log(log: Sequence[tuple[int, str]]) -> None:
    for number, line in log:
        print(f"{number:>9}  {line}")


def summary(seed: int, report: Report) -> str:
    speed = report.operations / report.seconds if report.seconds else 0
    return (
        f"Seed {seed}: {report.operations:,} operations in {report.seconds:.1f} s, {speed:.0f} a second, {report.cpu:.1f} s "
        f"of this process's time; trace {report.trace[:16]}"
    )


def parse_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `1-40,77`, in order. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def format_numbers(numbers: Sequence[int]) -> str:
    """Return the text that `parse_numbers` reads."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


class Progress:
    """Prints how many operations are done, after every so many."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, done: int) -> None:
        if done % self.every == 0:
            print(f"{done:,} operations", file=sys.stderr, flush=True)
