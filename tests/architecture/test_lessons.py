"""`docs/lessons.md` says which test keeps each lesson; the tests that it names exist.

A closed lesson is a line `- 21: what must not happen: `tests/markets/test_x.py::test_y`, `…``, with one test or more.
"""

import ast
import re

from tests.architecture.conftest import REPOSITORY

LESSONS = REPOSITORY / "docs" / "lessons.md"
CLOSED = re.compile(r"^- (\d+): (.+)$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`")


def claims():
    text = LESSONS.read_text()
    found = [(int(number), TEST.findall(line)) for number, line in CLOSED.findall(text)]
    assert len(found) == len(re.findall(r"^- \d", text, re.MULTILINE)), "a line isn't written like the others"
    return found


def names_of_tests_in(path):
    """The names of a file's tests; those in a class with the class's before them."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))


def test_every_closed_lesson_names_at_least_one_test():
    assert claims()
    for number, tests in claims():
        assert tests, number


def test_no_lesson_is_listed_twice():
    numbers = [number for number, _ in claims()]
    assert sorted(numbers) == sorted(set(numbers))


def test_every_test_that_a_lesson_names_exists():
    for number, tests in claims():
        for file, name in tests:
            path = REPOSITORY / file
            assert path.is_file(), f"{number}: {file}"
            assert name.rpartition("::")[2].startswith("test_"), f"{number}: {name}"
            assert name in set(names_of_tests_in(path)), f"{number}: {file}::{name}"
