"""The planted bugs can be planted, are said to be caught by tests that exist, and are what `docs/mutants.md` says.

That they are caught is for `make mutants` to show, which runs them.
"""

import ast
import re
from collections import Counter

import pytest

from tests.mutants import results
from tests.mutants.mutant import Mutant
from tests.mutants.planted import MUTANTS
from tests.mutants.tree import REPOSITORY

PAGE = REPOSITORY / "docs" / "mutants.md"
AT_LEAST = 44


def names_of_tests(file: str) -> set[str]:
    """The names of a file's tests, those of a class after its name."""
    found = set()
    for node in ast.parse((REPOSITORY / file).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_there_are_enough():
    assert len(MUTANTS) >= AT_LEAST


def test_each_has_a_name_of_its_own_and_is_another_bug():
    for values in ([mutant.name for mutant in MUTANTS], [mutant.digest for mutant in MUTANTS]):
        assert [value for value, times in Counter(values).items() if times > 1] == []
    assert [mutant.name for mutant in MUTANTS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", mutant.name)] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
class TestEach:
    def test_its_fragment_is_in_the_file_exactly_once_and_what_replaces_it_is_python(self, mutant):
        before = (REPOSITORY / mutant.file).read_text()
        after = mutant.plant(before)
        assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(before))

    def test_it_is_caught_by_tests_that_exist(self, mutant):
        assert mutant.caught_by
        for test in mutant.caught_by:
            file, _, name = test.partition("::")
            assert name in names_of_tests(file), test


def test_a_fragment_that_is_missing_or_there_twice_is_told():
    mutant = Mutant(name="x-y", bug="", file="a.py", fragment="1", replacement="2", caught_by=())
    for text in ("0", "1 1"):
        with pytest.raises(ValueError, match=r"x-y: the fragment is \d times in a\.py"):
            mutant.plant(text)


class TestThePage:
    def test_its_table_is_made_of_the_results(self):
        """Otherwise: `python -m tests.mutants --write docs/mutants.md`."""
        assert results.table_of(PAGE) == results.table(MUTANTS, results.load())

    def test_every_bug_has_been_caught_as_it_is_now(self):
        """Otherwise: `make mutants`, which keeps what it found."""
        known = results.load()
        assert [
            mutant.name
            for mutant in MUTANTS
            if not (result := results.result_of(mutant, "suite", known)) or not result["caught"]
        ] == []

    def test_no_result_is_kept_of_a_bug_that_there_is_not(self):
        assert results.load().keys() <= {mutant.name for mutant in MUTANTS}
