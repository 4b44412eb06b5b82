"""docs/architecture.md, contributing.md and glossary.md lead to files that exist, and to names that are in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATH = re.compile(r"`([\w./-]+/[\w.-]+\.\w+)`")
# A path, and the names behind its colon: "`staff/site.py`: `SETTINGS`, `group`".
NAMED = re.compile(r"`([\w./-]+\.\w+)`: ((?:`\w+`(?:, )?)+)")
ROW = re.compile(r"^\| (?!task \|)([^-].*?) \| (.*) \|$", re.MULTILINE)
AREAS = [
    "Users and sign-in",
    "Credits, rewards, stocks",
    "Markets: catalogue, lists, prices, resolution",
    "Bets",
    "Purchases",
    "Notifications",
    "Leaderboards",
    "API plumbing",
    "Admin",
    "Jobs and operations",
    "Development, simulators, tests, bench",
]
TASKS = 70


def paths_in(page: str) -> list[str]:
    """Return the paths of files that the page names, without placeholders."""
    return PATH.findall((ROOT / "docs" / page).read_text())


def tasks() -> dict[str, list[tuple[str, str]]]:
    """Return what contributing.md says under each heading: tasks, and what to open for them."""
    table = (ROOT / "docs/contributing.md").read_text().split("## Where a change goes")[1].split("\n## ")[0]
    parts = re.split(r"^### (.+)$", table, flags=re.MULTILINE)[1:]
    return {area: ROW.findall(text) for area, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md", "glossary.md"])
def test_every_file_that_is_named_exists(page):
    found = paths_in(page)
    assert found
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_tasks_are_grouped_by_what_they_are_about():
    assert list(tasks()) == AREAS
    assert sum(map(len, tasks().values())) >= TASKS


@pytest.mark.parametrize("area", AREAS)
def test_every_task_leads_to_a_file(area):
    assert tasks()[area]
    assert [
        task
        for task, where in tasks()[area]
        if not any((ROOT / name).is_file() for name in re.findall(r"`([^`]+)`", where))
    ] == []


def test_no_task_is_told_twice():
    told = [task for rows in tasks().values() for task, _ in rows]
    assert [task for task in told if told.count(task) > 1] == []


def test_every_name_behind_a_path_is_in_that_file():
    named = [
        (path, name)
        for rows in tasks().values()
        for _, where in rows
        for path, names in NAMED.findall(where)
        for name in re.findall(r"\w+", names)
    ]
    assert len(named) > TASKS // 2
    assert [f"{path}: {name}" for path, name in named if not defines((ROOT / path).read_text(), name)] == []


def defines(text: str, name: str) -> bool:
    """Return whether it is a function, a class, a constant or a field there."""
    return bool(
        re.search(rf"^\s*(?:def |class )?{name}\b(?:, \w+)*(?: =|: |\(|:$)|^[\w, ]*, {name} =", text, re.MULTILINE)
    )
