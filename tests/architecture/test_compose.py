"""`docker-compose.yml` and `Dockerfile`, as far as reading them can tell: no container is started."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from django.core.management import get_commands

from core.jobs.queues import QUEUES
from tests.architecture.conftest import REPOSITORY
from tests.core.service_process import run

SERVICES = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "thisthat"]
# Of the environment that compose itself is run in: of PostgreSQL's image, and of the host's port.
OF_COMPOSE = {"POSTGRES_PASSWORD", "DATABASE_PASSWORD", "PORT"}
SETTINGS = set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}")
STAGES = re.split(r"^(?=FROM )", (REPOSITORY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
SECRETS = {
    "SECRET_KEY": "only-for-tests-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e",
    "JWT_ACCESS_SECRET": "only-for-tests-8d2a6e40-8d2a6e40-8d2a6e40-8d2a6e40",
    "STOCK_SIGNING_KEYS": "test:only-for-tests-51c7d2f8-51c7d2f8-51c7d2f8-51c7d2f8",
    "ALLOWED_HOSTS": "api.example.com",
    "FRONTEND_URL": "https://www.example.com",
    "POSTGRES_PASSWORD": "onlyfortests",
    "DATABASE_PASSWORD": "onlyfortests-too",
}


def filled(text):
    """With the secrets, and defaults for all else, as compose fills them in."""
    return REFERENCE.sub(lambda found: SECRETS.get(found[1], found[3] if found[2] == ":-" else ""), text)


def test_the_whole_service_is_there():
    assert {"postgres", "redis", "migrate", "web", "beat"} <= SERVICES.keys()
    assert len(OURS) == 3 + len(QUEUES)


@pytest.mark.parametrize("name", OURS)
class TestEnvironment:
    def test_has_only_settings_that_exist(self, name):
        assert SERVICES[name]["environment"].keys() <= SETTINGS

    def test_takes_from_outside_only_settings_that_exist(self, name):
        texts = SERVICES[name]["environment"].values()
        outside = {found[0] for text in texts for found in REFERENCE.findall(text)}
        assert outside
        assert outside <= SETTINGS | OF_COMPOSE

    def test_is_all_that_production_requires(self, name):
        environment = {variable: filled(text) for variable, text in SERVICES[name]["environment"].items()}
        assert environment["DEBUG"] == "false"
        checked = run(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], environment)
        assert checked.returncode == 0, checked.stderr

    def test_keeps_no_secret_in_the_file(self, name):
        for variable in SECRETS.keys() - OF_COMPOSE:
            assert SERVICES[name]["environment"][variable].startswith(f"${{{variable}:?"), variable


@pytest.mark.parametrize("name", SERVICES)
class TestEachService:
    def test_has_a_health_check(self, name):
        check = SERVICES[name]["healthcheck"]
        assert "disable" not in check
        kind, *command = check["test"]
        assert kind in ("CMD", "CMD-SHELL")
        assert command
        assert {"interval", "timeout", "retries"} <= check.keys()

    def test_waits_for_what_it_needs_to_be_well(self, name):
        for needed, how in SERVICES[name].get("depends_on", {}).items():
            assert needed in SERVICES
            assert how["condition"] == (
                "service_completed_successfully" if needed == "migrate" else "service_healthy"
            ), needed

    def test_comes_back_after_a_crash(self, name):
        assert SERVICES[name]["restart"] == ("no" if name == "migrate" else "unless-stopped")

    def test_runs_commands_that_exist(self, name):
        commands = [SERVICES[name].get("command", []), SERVICES[name]["healthcheck"]["test"]]
        for command in commands:
            words = [word for part in command for word in shlex.split(part)]
            if "manage.py" in words:
                assert words[words.index("manage.py") + 1] in get_commands()
            for script in (word for word in words if word.endswith(".py")):
                assert (REPOSITORY / script).is_file()


def test_only_migrations_know_the_owner_of_the_database():
    assert [name for name in OURS if "DATABASE_OWNER_URL" in SERVICES[name]["environment"]] == ["migrate"]
    assert all("POSTGRES_PASSWORD" not in SERVICES[name]["environment"]["DATABASE_URL"] for name in OURS)


def test_each_queue_has_a_worker_that_is_asked_by_its_name():
    workers = {
        tuple(service["command"][3:]): service for service in SERVICES.values() if "work" in service.get("command", ())
    }
    assert workers.keys() == {(queue,) for queue in QUEUES}
    for (queue,), worker in workers.items():
        assert f"--destination {queue}@$$HOSTNAME" in worker["healthcheck"]["test"][1]


class TestProxy:
    def test_its_configuration_is_valid(self, tmp_path):
        text = (REPOSITORY / "deploy" / "nginx.conf").read_text()
        # The one name that only compose's network knows.
        assert text.count("server web:8000;") == 1
        (tmp_path / "nginx.conf").write_text(text.replace("web:8000", "127.0.0.1:8000"))
        command = [shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), "-t", "-c", tmp_path / "nginx.conf"]
        checked = subprocess.run(command, check=False, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr

    def test_it_is_the_only_way_in_and_counted_as_a_proxy(self):
        assert "ports" in SERVICES["proxy"]
        assert "ports" not in SERVICES["web"]
        environment = SERVICES["web"]["environment"]
        assert (filled(environment["TRUST_PROXY"]), filled(environment["NUM_PROXIES"])) == ("true", "1")


class TestImage:
    def test_is_built_in_one_stage_and_run_in_another(self):
        assert len(STAGES) == 2
        assert "pip" in STAGES[0]
        assert "COPY --from=builder /opt/venv" in STAGES[1]

    def test_has_nothing_to_build_or_install_with(self):
        assert not re.search(r"apt|apk|gcc|build-essential|make\b|pip install", STAGES[1])
        assert "pip uninstall" in STAGES[1]
        assert "--without-pip" in STAGES[0]

    def test_has_only_what_is_pinned_by_hash(self):
        assert "--require-hashes" in STAGES[0]
        assert "requirements-dev" not in "".join(STAGES)

    def test_does_not_run_as_root(self):
        users = re.findall(r"^USER (\S+)", STAGES[1], re.MULTILINE)
        assert users == ["thisthat"]
        assert STAGES[1].index("\nUSER thisthat") < STAGES[1].index("\nCMD ")
        assert "--uid 10001" in STAGES[1]

    def test_has_a_health_check(self):
        assert "\nHEALTHCHECK " in STAGES[1]

    def test_the_image_holds_no_secret(self):
        assert not re.search(r"^(ENV|ARG) .*(SECRET|KEY|PASSWORD|TOKEN)", STAGES[1], re.MULTILINE)
