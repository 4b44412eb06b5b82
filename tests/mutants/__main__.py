"""Plants bugs, one at a time, in a copy of the tree, and shows whether the tests or the simulation catch them.

    python -m tests.mutants                             all of them, by the tests that are said to catch them
    python -m tests.mutants ledger bet                  those whose names have one of these in them
    python -m tests.mutants --by simulation --seed 7 --operations 20000
    python -m tests.mutants --list                      their names
    python -m tests.mutants --write docs/mutants.md     the page's table, from the results kept so far; runs nothing

Exit status 1 when a bug survives or can't be run. Nothing outside `var/` is touched but `results.json` beside this file.
"""

import argparse
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.mutants import results
from tests.mutants.mutant import Mutant
from tests.mutants.planted import MUTANTS
from tests.mutants.tree import Ended, Tree, copied_tree

CAUGHT, SURVIVED = "caught", "SURVIVED"
# pytest's status where a test failed, where nothing could be collected because an import failed, and the simulation's.
TESTS_FAILED, FOUND = 1, 1
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
OPERATION = re.compile(r"operation\s+(?:number\s+)?#?([\d,]+)", re.IGNORECASE)
LINES_SHOWN = 60


class CannotRun(Exception):
    """What is to be run fails without any bug, or not as a test fails."""


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.write:
        results.write_page(options.write, MUTANTS)
        return 0
    chosen = choose(MUTANTS, options.names)
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}: {mutant.bug}")
        return 0
    with copied_tree("chosen") as tree:
        runner = BySimulation(tree, options) if options.by == "simulation" else BySuite(tree, options)
        return run(runner, chosen)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of names; without any, all")
    parser.add_argument("--by", choices=("suite", "simulation"), default="suite")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--operations", type=int, default=20_000, help="of the simulation, at most")
    parser.add_argument(
        "--simulation-options",
        default="--shrink-tries 0",
        help="further ones, in one text; by default it looks for no shorter replay",
    )
    parser.add_argument("--seconds", type=float, help="how long one run may take: 300, or 3600 of the simulation")
    parser.add_argument("--list", action="store_true", help="show the names, and run nothing")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table into the page, and run nothing")
    return parser.parse_args(arguments)


def choose(mutants: Sequence[Mutant], parts: Sequence[str]) -> list[Mutant]:
    """Return the mutants whose names contain one of the parts. Exits where a part is in none."""
    for part in parts:
        if not any(part in mutant.name for mutant in mutants):
            sys.exit(f"No mutant has {part!r} in its name.")
    return [mutant for mutant in mutants if not parts or any(part in mutant.name for part in parts)]


class BySuite:
    """Runs the tests that are said to catch a bug."""

    by = "suite"

    def __init__(self, tree: Tree, options: argparse.Namespace) -> None:
        self.tree = tree
        self._seconds = options.seconds or 300

    def check_without_bugs(self, chosen: Sequence[Mutant]) -> None:
        """Raise CannotRun unless all the tests pass as the tree is."""
        tests = dict.fromkeys(test for mutant in chosen for test in mutant.caught_by)
        ended = self.tree.run_tests([*tests], seconds=self._seconds * len(chosen), keeps_bytecode=True)
        if ended.code != 0:
            raise CannotRun(f"Without any bug the tests end with {ended.code}:\n{last_lines(ended.output)}")

    def run(self, mutant: Mutant) -> dict[str, Any]:
        ended = self.tree.run_tests(mutant.caught_by, seconds=self._seconds)
        if ended.code not in (0, TESTS_FAILED, None):
            raise CannotRun(f"pytest ended with {ended.code}:\n{last_lines(ended.output)}")
        return {"caught": ended.code != 0, "by": first_failure(ended), "tests": [*mutant.caught_by]}


class BySimulation:
    """Runs the simulation with one seed."""

    by = "simulation"

    def __init__(self, tree: Tree, options: argparse.Namespace) -> None:
        self.tree = tree
        self._seconds = options.seconds or 3600
        self._seed, self._operations = options.seed, options.operations
        self._options = shlex.split(options.simulation_options)

    def check_without_bugs(self, chosen: Sequence[Mutant]) -> None:
        """Raise CannotRun unless the same run finds nothing as the tree is."""
        ended = self._simulate()
        if ended.code != 0:
            raise CannotRun(f"Without any bug the simulation ends with {ended.code}:\n{last_lines(ended.output)}")

    def run(self, mutant: Mutant) -> dict[str, Any]:
        ended = self._simulate()
        if ended.code not in (0, FOUND, None):
            raise CannotRun(f"The simulation ended with {ended.code}:\n{last_lines(ended.output)}")
        named = OPERATION.search(ended.output) if ended.code == FOUND else None
        return {
            "caught": ended.code != 0,
            "seed": self._seed,
            "operations": self._operations,
            "operation": int(named[1].replace(",", "")) if named else None,
        }

    def _simulate(self) -> Ended:
        options = ["--seed", str(self._seed), "--operations", str(self._operations), *self._options]
        return self.tree.run(["-m", "tests.simulation", *options], seconds=self._seconds)


def run(runner: BySuite | BySimulation, chosen: Sequence[Mutant]) -> int:
    """Run what is to catch them, first without any bug, then with each; print a line of each; return the exit status."""
    try:
        runner.check_without_bugs(chosen)
    except CannotRun as exc:
        print(exc)
        return 1
    survivors, unusable = [], []
    for mutant in chosen:
        began = time.monotonic()
        with runner.tree.planted(mutant):
            try:
                result = runner.run(mutant)
            except CannotRun as exc:
                unusable.append(mutant.name)
                print(f"{mutant.name}: {exc}")
                continue
        results.store(mutant, runner.by, result)
        if not result["caught"]:
            survivors.append(mutant.name)
        outcome = CAUGHT if result["caught"] else SURVIVED
        print(f"{outcome:8}  {time.monotonic() - began:6.1f} s  {mutant.name:44}  {described(result)}", flush=True)
    print(f"{len(chosen) - len(survivors) - len(unusable)} of {len(chosen)} caught by the {runner.by}.")
    for name in survivors:
        print(f"survives: {name}")
    for name in unusable:
        print(f"can't be run: {name}")
    return 1 if survivors or unusable else 0


def described(result: dict[str, Any]) -> str:
    if "by" in result:
        return result["by"] or ""
    return f"operation {result['operation']:,}" if result["operation"] else f"of {result['operations']:,} operations"


def first_failure(ended: Ended) -> str | None:
    """Return the test that failed first; with `-x` there is no other."""
    if ended.code is None:
        return "it took too long"
    found = FAILED.search(ended.output)
    return found[1] if found else None


def last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-LINES_SHOWN:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
