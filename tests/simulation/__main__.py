"""The command line: `python -m tests.simulation --seed 1 --operations 20000`."""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from tests.simulation import environment

    databases = environment.set_up()
    from tests.simulation import service
    from tests.simulation.command import simulate

    service.load()
    try:
        return simulate(options, databases)
    finally:
        databases.drop()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="Simulate the service against a model."
    )
    made.add_argument("--seed", type=int, default=1, help="what everything follows from")
    made.add_argument("--operations", type=int, default=2_000, help="how many")
    made.add_argument("--only", default="", help="replay only these operations: numbers and ranges, as 1-40,77")
    made.add_argument("--audit-every", type=int, default=2_000, help="have the service audit itself after so many")
    made.add_argument("--undisturbed", action="store_true", help="without faults and overlapping transactions")
    made.add_argument("--shrink-seconds", type=float, default=120, help="how long to look for a shorter replay; 0: not")
    made.add_argument("--expect", metavar="RULE=VALUE", default="", help="tell the model another value of a rule")
    made.add_argument("--trace", action="store_true", help="print every operation")
    return made


if __name__ == "__main__":
    sys.exit(main())
