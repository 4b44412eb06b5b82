"""The service starts where nothing is installed that only development installs (lesson 39)."""

import json

import pytest
from django.core.management import get_commands

from tests.architecture.conftest import REPOSITORY, modules
from tests.architecture.test_dependencies import DEVELOPMENT, PROVIDERS, RUN, normal
from tests.core.service_process import PRODUCTION, run

# What a distribution of development alone provides; names that one of the service provides too stay.
ONLY_HERE = {
    module
    for module, providers in PROVIDERS.items()
    if (names := {normal(name) for name in providers}) & DEVELOPMENT.keys() and not names & RUN.keys()
}
# Python programs whose first arguments are such modules.
WITHOUT = """
import json, runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[2:]
"""
IMPORT_ALL = """
import importlib
import thisthat.wsgi
import thisthat.urls
for name in sys.argv:
    importlib.import_module(name)
from thisthat.celery import app
app.loader.import_default_modules()
print(len(app.tasks))
"""
RUN_COMMAND = """
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def name_of_module(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def without_development(program, *arguments):
    return run(["-c", WITHOUT + program, json.dumps(sorted(ONLY_HERE)), *arguments], PRODUCTION)


def test_there_is_something_to_do_without():
    assert {"pytest", "mypy", "hypothesis"} <= ONLY_HERE
    ended = without_development("import pytest")
    assert "No module named 'pytest'" in ended.stderr


def test_every_module_of_the_service_is_imported_without_what_only_development_installs():
    names = [name_of_module(path) for path in modules() if path.name not in ("__main__.py", "manage.py")]
    assert "ops.metrics" in names
    ended = without_development(IMPORT_ALL, *names)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout) > 10


@pytest.mark.parametrize("command", ["serve", "work", "audit_ledger"])
def test_commands_start_without_what_only_development_installs(command):
    assert command in get_commands()
    ended = without_development(RUN_COMMAND, "manage.py", command, "--help")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "usage: manage.py" in ended.stdout
