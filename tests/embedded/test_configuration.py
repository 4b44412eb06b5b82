"""Files that name settings, against the code that reads them."""

import re

import pytest
import yaml

from tests.embedded.conftest import REPOSITORY

SETTINGS = (REPOSITORY / "thisthat" / "settings.py").read_text()
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
EXAMPLE = (REPOSITORY / ".env.example").read_text()
OURS = ("migrate", "web", "worker", "beat")

# Every way in which settings.py asks the environment.
READ = set(re.findall(r'(?:env(?:\.\w+)?|required)\(\s*"([A-Z_]+)"', SETTINGS))
NAMED = re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)


def test_the_example_names_each_setting_once():
    assert sorted(NAMED) == sorted(set(NAMED))


def test_the_example_lists_exactly_what_the_settings_read():
    # Tells settings.py whether to read the file at all, so it can't be in it.
    assert set(NAMED) == READ - {"DJANGO_READ_DOT_ENV"}


def test_the_example_says_a_sentence_about_each_setting():
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z_]+=", line):
            assert re.match(r"# .+\.$", lines[number - 1]), line


def test_the_example_switches_development_on():
    assert re.search(r"^DEBUG=true$", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_compose_gives_our_processes_only_settings_that_exist(name):
    assert set(COMPOSE["services"][name]["environment"]) <= READ


@pytest.mark.parametrize("name", OURS)
def test_compose_gives_our_processes_all_that_production_requires(name):
    required = set(re.findall(r'required\(\s*"([A-Z_]+)"', SETTINGS)) | {"DATABASE_URL", "REDIS_URL"}
    assert required <= set(COMPOSE["services"][name]["environment"])


def test_compose_refuses_to_start_without_the_secrets():
    environment = COMPOSE["services"]["web"]["environment"]
    for name in ("SECRET_KEY", "JWT_ACCESS_SECRET", "ALLOWED_HOSTS", "FRONTEND_URL"):
        assert environment[name].startswith(f"${{{name}:?")


def test_every_lasting_service_has_a_health_check():
    for name, service in COMPOSE["services"].items():
        assert "healthcheck" in service, name
    image = (REPOSITORY / "Dockerfile").read_text()
    assert "HEALTHCHECK" in image
    # web relies on the image's.
    assert "test" not in COMPOSE["services"]["web"]["healthcheck"]


def test_the_image_installs_only_what_is_pinned_by_hash_and_does_not_run_as_root():
    image = (REPOSITORY / "Dockerfile").read_text()
    assert "--require-hashes" in image
    assert image.rindex("USER thisthat") > image.rindex("FROM ")
