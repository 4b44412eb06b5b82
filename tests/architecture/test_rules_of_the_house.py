"""Rules of `docs/architecture.md` that no other tool checks."""

import ast

import pytest
from django.apps import apps
from django.db import models

from tests.architecture.conftest import APPS, REPOSITORY, modules, name_of

MAX_LINES = 500
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "misc", "common_utils"}


def ours():
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in APPS]


@pytest.mark.parametrize("path", modules(), ids=name_of)
class TestEachModule:
    def test_is_short_enough_to_read(self, path):
        assert len(path.read_text().splitlines()) <= MAX_LINES

    def test_has_a_name_that_says_what_is_in_it(self, path):
        assert path.stem not in NAMES_THAT_SAY_NOTHING
        assert path.parent.name not in NAMES_THAT_SAY_NOTHING

    def test_listens_to_no_saving_or_deleting_of_rows(self, path):
        names = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
        assert not names & {"post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed"}

    def test_swallows_no_failure_that_it_did_not_name(self, path):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and catches_everything(node):
                assert not all(is_nothing(statement) for statement in node.body), f"line {node.lineno}"


def tree(path):
    return ast.parse(path.read_text())


def catches_everything(handler):
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )


def is_nothing(statement):
    """`pass`, `continue` or `...`."""
    return isinstance(statement, (ast.Pass, ast.Continue)) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def test_tests_are_short_enough_to_read_too():
    for path in (REPOSITORY / "tests").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= MAX_LINES, name_of(path)


def test_no_column_is_a_float():
    assert len(ours()) > 3
    for model in ours():
        for field in model._meta.local_fields:
            assert not isinstance(field, models.FloatField), f"{model.__name__}.{field.name}"


def test_no_model_reckons_in_floats():
    for path in modules():
        if path.name == "models.py" or path.parent.name == "models":
            called = {
                node.func.id
                for node in ast.walk(tree(path))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert "float" not in called, name_of(path)


def test_every_time_of_a_row_says_at_in_its_name():
    for model in ours():
        for field in model._meta.local_fields:
            if isinstance(field, models.DateTimeField) and not field.name.endswith(("_at", "_until")):
                assert model.__name__ == "User", f"{model.__name__}.{field.name}"
                assert field.name == "last_login"


def test_every_table_has_a_name_of_ours():
    for model in ours():
        assert not model._meta.db_table.startswith(f"{model._meta.app_label}_"), model.__name__


def test_every_constraint_begins_with_its_table():
    for model in ours():
        for constraint in model._meta.constraints:
            assert constraint.name.startswith(model._meta.db_table.rstrip("s")), constraint.name


def test_no_file_that_would_hide_a_test():
    hidden = ("pytest.skip", "mark." + "skip", "mark." + "xfail", "unittest." + "mock")
    for path in (REPOSITORY / "tests").rglob("*.py"):
        if path.name != "test_rules_of_the_house.py":
            text = path.read_text()
            assert not [word for word in hidden if word in text], name_of(path)
