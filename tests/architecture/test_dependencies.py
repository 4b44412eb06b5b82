"""What the service imports is installed where the service runs, not only where it is developed."""

import ast
import re
import sys
from importlib.metadata import distribution, packages_distributions

from tests.architecture.conftest import APPS, REPOSITORY, modules, name_of

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(file):
    return {normal(name): version for name, version in PINNED.findall((REPOSITORY / file).read_text())}


RUN = pins_of("requirements.txt")
DEVELOPMENT = pins_of("requirements-dev.txt")
PROVIDERS = packages_distributions()


def imported(path):
    """The top-level names of what a module imports, wherever in it; imports for the type checker's eyes count too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]


def third_party(path):
    return set(imported(path)) - set(sys.stdlib_module_names) - set(APPS)


def test_every_import_is_pinned_among_what_the_service_runs_on():
    """Fails with each module that imports what no distribution of requirements.txt provides."""
    assert [
        f"{name_of(path)}: {module}"
        for path in modules()
        for module in third_party(path)
        if not {normal(name) for name in PROVIDERS.get(module, [])} & RUN.keys()
    ] == []


def test_every_app_and_middleware_that_the_settings_name_is_pinned_too(settings):
    named = {path.split(".")[0] for path in (*settings.INSTALLED_APPS, *settings.MIDDLEWARE)}
    assert {"corsheaders", "rest_framework", "django"} <= named
    for module in named - set(APPS):
        assert {normal(name) for name in PROVIDERS[module]} & RUN.keys(), module


def test_what_is_asked_for_is_pinned():
    asked = re.findall(r"^([A-Za-z0-9-]+)", (REPOSITORY / "requirements.in").read_text(), re.MULTILINE)
    assert len(asked) > 10
    assert {normal(name) for name in asked} <= RUN.keys()


def test_every_pin_has_a_hash():
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (REPOSITORY / file).read_text()
        entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
        assert len(entries) == len(PINNED.findall(text))
        assert all("--hash=sha256:" in entry for entry in entries), file


def test_development_has_the_very_versions_that_the_service_runs_on():
    assert RUN.items() <= DEVELOPMENT.items()


def test_what_is_installed_here_is_what_is_pinned():
    for name in ("django", "djangorestframework", "psycopg", "celery", "uvicorn", "orjson"):
        assert distribution(name).version == RUN[name]
