"""docs/openapi.yaml is what Redocly's linter calls valid: no error by its recommended rules."""

import shutil
from pathlib import Path

import pytest

from tests.architecture.conftest import REPOSITORY
from tests.documentation.test_typescript_client import NPM, node, tool

LINTER = Path(__file__).parent / "redocly"
DESCRIPTION = REPOSITORY / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the linter is installed."""
    path = tmp_path_factory.mktemp("redocly") / "lint"
    shutil.copytree(LINTER, path)
    done = node(path, NPM, "ci")
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch) -> None:
    monkeypatch.setenv("REDOCLY_TELEMETRY", "off")
    monkeypatch.setenv("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")


def lint(folder: Path, description: Path):
    return node(folder, tool(folder, "redocly"), "lint", description, "--format=summary")


def test_the_linter_finds_no_error(folder):
    done = lint(folder, DESCRIPTION)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_an_operation_that_says_nothing_of_who_may_use_it(folder, tmp_path):
    wrong = tmp_path / "openapi.yaml"
    text = DESCRIPTION.read_text()
    assert text.count("security:\n") > 1
    wrong.write_text(text.replace("security:\n", "x-security:\n"))
    done = lint(folder, wrong)
    assert done.returncode != 0
    assert "security-defined" in done.stdout + done.stderr
