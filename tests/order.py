"""In which order tests run, and which of them stay together: `-p tests.order` in pyproject.toml.

pytest-randomly shuffles, and pytest-django puts tests that roll back before those that empty tables, and those before
tests without a database. Inside that order modules that take long come first, so that no worker ends with one of them
alone. Those that use no database of the worker, as the tests of whole processes, come before all others.

Tests of a module are one unit for a worker (`--dist loadgroup --no-loadscope-reorder`, in the Makefile): what they share
is made once, not by each worker.
"""

import pytest

# Modules and folders whose tests start processes or build a world, those that take longest first.
LONGEST = (
    "tests/e2e/test_first_minutes.py",
    "tests/e2e/test_everything_is_killed.py",
    "tests/e2e/",
    "tests/simulation/test_simulation.py",
    "tests/accounts/providers/test_make_run.py",
    "tests/hostile/",
    "tests/fuzzing/",
    "tests/ops/",
    "tests/devtools/",
    "tests/documentation/",
    "tests/core/test_health.py",
    "tests/core/test_production_mode.py",
)
ROLLS_BACK, EMPTIES_TABLES, NO_DATABASE = range(3)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort, and tell xdist what stays together; its own hook, which runs later, reads the marks."""
    items.sort(key=place)
    if config.getoption("loadgroup", default=False):
        for item in items:
            item.add_marker(pytest.mark.xdist_group(f"{module_of(item)}:{use_of_database(item)}"))


def place(item: pytest.Item) -> tuple[int, int]:
    """Return what comes first: the use of the database that a test makes, then how long its module takes."""
    path, use = module_of(item), use_of_database(item)
    rank = next((rank for rank, long in enumerate(LONGEST) if path.startswith(long)), len(LONGEST))
    is_first = use == NO_DATABASE and rank < len(LONGEST)
    return (-1 if is_first else use), rank


def module_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def use_of_database(item: pytest.Item) -> int:
    """Return what pytest-django sorts by."""
    mark = item.get_closest_marker("django_db")
    fixtures = getattr(item, "fixturenames", ())
    if (mark and mark.kwargs.get("transaction")) or {"transactional_db", "live_server"} & set(fixtures):
        return EMPTIES_TABLES
    return ROLLS_BACK if mark or "db" in fixtures else NO_DATABASE
