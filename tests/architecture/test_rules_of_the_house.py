"""Rules of `docs/architecture.md` that no other tool checks."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from statistics import median

from django.apps import apps
from django.db import models

from tests.architecture.conftest import APPS, REPOSITORY, modules, name_of

MAX_LINES = 500
MAX_MODULES, MEDIAN_LINES = 330, 90
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "misc", "common_utils"}


# COPY into the staging table, and a cursor on the server for exports of any size.
CURSORS = {"markets/staging.py", "ops/personal_data.py"}

GLOSSARY = REPOSITORY / "docs" / "glossary.md"
# What contains a word of the glossary's column "not" and keeps it. Case matters here.
NAMES_THAT_STAY = {
    "PaymentIntent": "Stripe's",
    "payment_intent": "Stripe's",
    "functional.Promise": "Django's",
    "journal_length": "a column",
    "users_balance_follows_journal": "a trigger",
    "users_check_journal": "its function",
    "their journals": "the name of a stored permission",
    "view_people": "the codename of a stored permission",
    "VIEW_PEOPLE": "its constant",
    "bets_sold_means_nothing_at_stake": "a constraint",
    "You have less than that at stake.": "a message of the API",
    "setAside": "a name in the JSON of a command",
    "stock_journal": "an invariant's name in the audit's JSON",
    '"journal", "terms"': "the same",
    "people who can't decide": "of a listed stock",
    "a thousand people": "of a listed stock",
    "create_demo_world": "a command, and what its sessions are stored under",
    "Night Owls": "a team of the simulated upstream",
    "how-many-people-will": "a picture that Polymarket has",
    "more than 1,000 people": "a question of the simulated upstream",
}


def ours():
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in APPS]


def test_modules_are_short_enough_to_read():
    assert [name_of(path) for path in modules() if len(path.read_text().splitlines()) > MAX_LINES] == []


def test_there_are_few_modules():
    """A subject has one file, not ten thin ones. An empty `__init__.py` only makes a package."""
    assert len([path for path in modules() if path.read_text()]) <= MAX_MODULES


def test_most_modules_are_more_than_a_few_lines():
    """Of those with content: an empty `__init__.py` only makes a package, and has nothing to read."""
    lengths = [len(path.read_text().splitlines()) for path in modules()]
    assert median(length for length in lengths if length) > MEDIAN_LINES


def test_modules_have_names_that_say_what_is_in_them():
    assert [name_of(path) for path in modules() if {path.stem, path.parent.name} & NAMES_THAT_SAY_NOTHING] == []


def test_nothing_listens_to_saving_or_deleting_of_rows():
    signals = {"post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed"}
    assert [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name) and node.id in signals
    ] == []


def test_nothing_swallows_a_failure_that_it_did_not_name():
    assert [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and all(map(is_nothing, node.body))
    ] == []


def test_sql_is_executed_in_one_place():
    """`core.db.sql`; elsewhere only COPY and cursors on the server need a cursor of their own."""
    found = [
        name_of(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if makes_cursor(node) and not name_of(path).startswith("core/db/")
    ]
    assert [name for name in found if name not in CURSORS] == []


def makes_cursor(node):
    """Whether it calls a connection's `cursor()`; an attribute alone may be the cursor of a page."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cursor"


def test_no_files_import_one_another_in_a_circle():
    names = {module_of(path): path for path in modules()}
    imports = {name: imported_modules(path, names) for name, path in names.items()}
    # Raises CycleError, which names the files of a circle.
    TopologicalSorter(imports).prepare()


def module_of(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path, known):
    """Modules of ours that this one imports when it is itself imported."""
    found = set()
    for node in ast.iter_child_nodes(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                above = module_of(path).split(".")
                above = above[: len(above) - node.level + (path.name == "__init__.py")]
                package = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                found.add(inner if inner in known else package)
    return (found & known.keys()) - {module_of(path)}


@cache
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
        assert model._meta.db_table != f"{model._meta.app_label}_{model._meta.model_name}", model.__name__


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


def test_nothing_is_called_what_the_glossary_says_it_is_not():
    words = forbidden_words()
    assert len(words) > 30
    found = [
        f"{name_of(path)}:{line}: {word}"
        for path in texts()
        for word, pattern in words.items()
        for line in lines_with(pattern, path)
    ]
    assert found == [], "\n" + "\n".join(found)


def forbidden_words():
    """The code spans of the glossary's column "not", each with the pattern that finds it."""
    rows = [line.split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {6}
    words = {word for row in rows for word in re.findall("`([^`]+)`", row[3])}
    return {word: re.compile(pattern_of(word), re.IGNORECASE) for word in sorted(words)}


def pattern_of(word):
    """Whole words only; those of a phrase may be apart by a line break, a comment's mark, a dash or an underscore."""
    if word.endswith("()"):
        return rf"(?<![a-z_]){word[:-2]}(?![a-z])\w*\("
    phrase = re.escape(word).replace(r"\ ", r"[\s_#-]+").replace(r"\-", "[_-]")
    return f"(?<![a-z]){phrase}(?![a-z])"


def texts():
    """Every file of ours that is written by hand, without migrations, which repeat what is stored."""
    kinds = {".py", ".md", ".html", ".toml"}
    roots = [*(REPOSITORY / app for app in APPS), *(REPOSITORY / name for name in ("bench", "deploy", "docs", "tests"))]
    inside = [path for root in roots for path in sorted(root.rglob("*")) if path.suffix in kinds]
    beside = [path for path in sorted(REPOSITORY.iterdir()) if path.suffix in kinds]
    others = [REPOSITORY / name for name in ("Dockerfile", "Makefile", "docker-compose.yml")]
    found = [
        path
        for path in (*others, *beside, *inside)
        if path != GLOSSARY and not {"migrations", "node_modules"} & set(path.parts)
    ]
    assert len(found) > 300
    return found


def lines_with(pattern, path):
    """The numbers of the lines where a match begins; 0 is the file's own name."""
    named = [0] if pattern.search(in_words(name_of(path))) else []
    text = searchable(path)
    return named + [text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)]


@cache
def searchable(path):
    return in_words(path.read_text())


def in_words(text):
    """The text with CamelCase taken apart, without the names that stay."""
    for name in NAMES_THAT_STAY:
        text = text.replace(name, "")
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
