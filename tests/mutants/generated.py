"""Mutation testing with cosmic-ray: small changes that it makes of some modules, and whether the tests find them.

    python -m tests.mutants.generated                          a sample of all subjects of cosmic_ray.toml
    python -m tests.mutants.generated rewards --sample 0       all mutants of one subject
    python -m tests.mutants.generated --count                  how many there are; runs nothing

The sample is drawn with a seed, and run in the order in which it is drawn: it is the same for the same modules, and what
was run when `--minutes` are over is a sample, too. Besides cosmic-ray's own operators there is one for SQL
(`sql_operators.py`). Everything happens in a copy of the tree under `var/`, where cosmic-ray's sessions are kept, too.
Survivors are printed with their changes. Exit status 1 when fewer than 90 % are killed.
"""

import argparse
import ast
import contextlib
import difflib
import linecache
import random
import re
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cosmic_ray.commands
from cosmic_ray import plugins
from cosmic_ray.mutating import use_mutation
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutants.__main__ import last_lines
from tests.mutants.sql_operators import ReplaceSql
from tests.mutants.tree import Tree, copied_tree, restored

CONFIGURATION = tomllib.loads(Path(__file__).with_name("cosmic_ray.toml").read_text())
SUBJECTS: dict[str, dict[str, list[str]]] = CONFIGURATION["subjects"]
EXCLUDED_OPERATORS = re.compile("|".join(CONFIGURATION["excluded-operators"]))
EXCLUDED_LINES = re.compile("|".join(CONFIGURATION["excluded-lines"]))
LEAST_KILLED = 0.9
# A mutant that never ends is killed after so many times what the tests take without one, and some seconds.
TIMES_LONGER, SECONDS_MORE = 3, 30
SKIPPED = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    plugins.OPERATOR_PROVIDERS["sql"] = {"ReplaceSql": ReplaceSql}
    with copied_tree("generated") as tree, contextlib.ExitStack() as sessions:
        databases = {name: sessions.enter_context(make_session(tree, name)) for name in options.subjects or SUBJECTS}
        sample = choose_sample(databases, options.sample, options.seed)
        if options.count:
            return 0
        seconds = {name: run_without_mutant(tree, name) for name in databases}
        deadline = time.monotonic() + 60 * options.minutes
        for name, item in sample:
            if time.monotonic() > deadline:
                break
            databases[name].set_result(item.job_id, run_mutant(tree, name, item, seconds=seconds[name]))
        return judge([count_outcomes(name, database) for name, database in databases.items()])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.generated", description=described)
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--sample", type=int, default=300, help="how many of all mutants are run; 0: all")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=60, help="after which no other mutant is begun")
    parser.add_argument("--count", action="store_true", help="say how many there are, and run nothing")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def make_session(tree: Tree, name: str) -> Iterator[WorkDB]:
    """Yield cosmic-ray's session with all mutants of a subject; what isn't worth a run is skipped."""
    path = tree.root.parent / f"{name}.sqlite"
    path.unlink(missing_ok=True)
    with use_db(str(path)) as database:
        cosmic_ray.commands.init([tree.root / module for module in SUBJECTS[name]["modules"]], database, {})
        database.set_multiple_results([item.job_id for item in database.work_items if is_excluded(item)], SKIPPED)
        yield database


def is_excluded(item: WorkItem) -> bool:
    (mutation,) = item.mutations
    line = linecache.getline(str(mutation.module_path), mutation.start_pos[0])
    if EXCLUDED_OPERATORS.match(mutation.operator_name) or EXCLUDED_LINES.match(line):
        return True
    # The star of keyword-only arguments is taken for a multiplication; ours have a space or a line's end behind them.
    is_binary = mutation.operator_name.startswith("core/ReplaceBinaryOperator_")
    return is_binary and not line[mutation.end_pos[1]].isspace()


def choose_sample(databases: dict[str, WorkDB], size: int, seed: int) -> list[tuple[str, WorkItem]]:
    """Return so many mutants, 0: all, with their subjects, in the order in which they are drawn."""
    found = [(name, item) for name, database in databases.items() for item in sorted(pending(database), key=place_of)]
    sample = random.Random(seed).sample(found, min(size, len(found)) if size else len(found))
    print(f"{len(sample)} of {len(found)} mutants, drawn with seed {seed}.")
    for name in databases:
        print(
            f"  {name}: {sum(one == name for one, _ in sample)} of {sum(one == name for one, _ in found)}", flush=True
        )
    return sample


def pending(database: WorkDB) -> tuple[WorkItem, ...]:
    return database.pending_work_items


def place_of(item: WorkItem) -> tuple[str, str, int]:
    (mutation,) = item.mutations
    return str(mutation.module_path).partition("/generated/")[2], mutation.operator_name, mutation.occurrence


def run_without_mutant(tree: Tree, name: str) -> float:
    """Return the seconds that a subject's tests take. Exits where they fail as the tree is."""
    began = time.monotonic()
    ended = tree.run_tests(SUBJECTS[name]["tests"], seconds=1_800, keeps_bytecode=True)
    if ended.code != 0:
        sys.exit(f"{name}: without a mutant the tests end with {ended.code}:\n{last_lines(ended.output)}")
    print(f"{name}: the tests pass in {time.monotonic() - began:.0f} s without a mutant.", flush=True)
    return time.monotonic() - began


def run_mutant(tree: Tree, name: str, item: WorkItem, *, seconds: float) -> WorkResult:
    """Do what cosmic-ray's own distributor does, with tests that start faster. `seconds`: without a mutant."""
    (mutation,) = item.mutations
    operator = plugins.get_operator(mutation.operator_name)(**mutation.operator_args)
    path = tree.root / mutation.module_path
    with restored(path), contextlib.ExitStack() as stack:
        try:
            before, after = stack.enter_context(use_mutation(path, operator, mutation.occurrence))
        except AttributeError:
            # Its ExceptionReplacer knows plain names alone.
            return WorkResult(worker_outcome=WorkerOutcome.NO_TEST)
        if after is None or not is_python(after):
            return WorkResult(worker_outcome=WorkerOutcome.NO_TEST)
        ended = tree.run_tests(SUBJECTS[name]["tests"], seconds=TIMES_LONGER * seconds + SECONDS_MORE)
    changes = "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
    outcome = TestOutcome.SURVIVED if ended.code == 0 else TestOutcome.KILLED
    result = WorkResult(WorkerOutcome.NORMAL, output=last_lines(ended.output), test_outcome=outcome, diff=changes)
    if not result.is_killed:
        print(f"  survives: {' '.join(map(str, place_of(item)))}\n{shown(result)}", flush=True)
    return result


def is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def count_outcomes(name: str, database: WorkDB) -> tuple[int, int]:
    """Print what became of a subject's mutants; return how many were killed, and of how many."""
    done = [result for _, result in database.completed_work_items if result.test_outcome]
    killed = sum(result.is_killed for result in done)
    print(f"{name}: {killed} of {len(done)} killed.", flush=True)
    return killed, len(done)


def shown(result: Any) -> str:
    """Return the changed lines."""
    changed = [line for line in (result.diff or "").splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    return "\n".join(f"    {line}" for line in changed)


def judge(counts: Sequence[tuple[int, int]]) -> int:
    killed, all_of_them = (sum(numbers) for numbers in zip(*counts, strict=True))
    share = killed / all_of_them if all_of_them else 0
    print(f"In all {killed} of {all_of_them} killed: {share:.1%}.")
    return 0 if share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
