"""docs/architecture.md, contributing.md and glossary.md lead to files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATH = re.compile(r"`([\w./-]+/[\w.-]+\.\w+)`")
TASKS = 30


def paths_in(page: str) -> list[str]:
    """Return the paths of files that the page names, without placeholders."""
    return PATH.findall((ROOT / "docs" / page).read_text())


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md", "glossary.md"])
def test_every_file_that_is_named_exists(page):
    found = paths_in(page)
    assert found
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_enough_tasks_lead_to_a_file():
    text = (ROOT / "docs/contributing.md").read_text()
    table = text.split("## Where a change goes")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| (?!task\b)[^-].* \| .*`.+` ?.*\|$", table, flags=re.MULTILINE)) >= TASKS
