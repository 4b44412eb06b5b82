"""docs/operations.md names every command, setting and page that there is, and none that isn't."""

import re
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class

from tests.architecture.conftest import APPS, REPOSITORY

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "operations.md").read_text()
COMMANDS = {
    name: app
    for name, app in get_commands().items()
    if isinstance(app, str) and app.split(".")[0] in APPS and apps.is_installed(app)
}


def named_commands() -> set[str]:
    table = PAGE.partition("## Commands")[2]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_page_names_every_command_and_no_other():
    assert named_commands() == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name):
    command = load_command_class(COMMANDS[name], name)
    out = StringIO()
    command.create_parser("manage.py", name).print_help(out)
    assert command.help
    assert command.help.split()[0] in out.getvalue()


def test_every_setting_that_the_pages_name_exists():
    settings = set(re.findall(r"^#?([A-Z_0-9]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    of_compose = set(re.findall(r"\$\{([A-Z_0-9]+)", (REPOSITORY / "docker-compose.yml").read_text()))
    for page in ("operations.md", "architecture.md"):
        text = (DOCS / page).read_text()
        named = set(re.findall(r"`\$?([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`", text))
        assert named, page
        assert named <= settings | of_compose, page


@pytest.mark.parametrize(
    "path",
    [*sorted(DOCS.rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "bench" / "README.md"],
    ids=lambda path: path.name,
)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
