"""The command line: `python -m tests.simulation --seed 1 --operations 20000`.

Exits 0 where no rule was broken, 1 with a report where one was, 2 for options that make no sense.
"""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    from tests.simulation import environment

    databases = environment.set_up()
    from tests.simulation import command, service

    try:
        try:
            command.settings_of(options)
        except ValueError as exc:
            made.error(str(exc))
        options.progress = command.Progress(options.progress) if options.progress else None
        service.load()
        return command.simulate(options, databases)
    finally:
        databases.drop()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="Simulate the service against a model."
    )
    made.add_argument("--seed", type=int, default=1, help="what everything follows from")
    made.add_argument("--operations", type=int, default=2_000, help="how many")
    made.add_argument("--only", default="", help="replay only these operations: numbers and ranges, as 1-40,77")
    made.add_argument(
        "--audit-every",
        type=int,
        default=2_000,
        help="have the service audit itself after so many, and later after a tenth of those done",
    )
    made.add_argument("--undisturbed", action="store_true", help="without faults and overlapping transactions")
    made.add_argument("--shrink-tries", type=int, default=100, help="how many shorter replays to try; 0: none")
    made.add_argument("--expect", metavar="RULE=VALUE", default="", help="tell the model another value of a rule")
    made.add_argument("--trace", action="store_true", help="print every operation")
    made.add_argument("--counts", action="store_true", help="print how often each kind of thing was done")
    made.add_argument("--progress", type=int, default=0, help="tell after every so many operations")
    return made


if __name__ == "__main__":
    sys.exit(main())
