"""`docker-compose.yml` and `Dockerfile`, as far as reading them can tell: no container is started."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import redis
import requests
import yaml
from django.core.management import get_commands

from core.jobs.queues import QUEUES
from devtools.embedded.valkey import program
from devtools.simulators.start import free_port
from tests.architecture.conftest import REPOSITORY
from tests.concurrently import wait_until
from tests.core.service_process import run

SERVICES = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
IMAGES = [service["image"] for service in SERVICES.values() if service["image"] != "thisthat"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "thisthat"]
# Of the environment that compose itself is run in: parts of URLs, and where the host publishes the service.
OF_COMPOSE = {"POSTGRES_PASSWORD", "DATABASE_PASSWORD", "REDIS_PASSWORD", "BIND_ADDRESS", "PORT"}
SETTINGS = set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}")
STAGES = re.split(r"^(?=FROM )", (REPOSITORY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
SECRETS = {
    "SECRET_KEY": "only-for-tests-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e",
    "JWT_ACCESS_SECRET": "only-for-tests-8d2a6e40-8d2a6e40-8d2a6e40-8d2a6e40",
    "STOCK_SIGNING_KEYS": "test:only-for-tests-51c7d2f8-51c7d2f8-51c7d2f8-51c7d2f8",
    "ALLOWED_HOSTS": "api.example.com",
    "FRONTEND_URL": "https://www.example.com",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "no-reply@example.com",
    "POSTGRES_PASSWORD": "onlyfortests",
    "DATABASE_PASSWORD": "onlyfortests-too",
    "REDIS_PASSWORD": "onlyfortests-as-well",
}


def filled(text):
    """With the secrets, and defaults for all else, as compose fills them in."""
    return REFERENCE.sub(lambda found: SECRETS.get(found[1], found[3] if found[2] == ":-" else ""), text)


class ForwardedFor(BaseHTTPRequestHandler):
    """Return the header that is to tell whose request it is."""

    def do_GET(self):
        body = self.headers["X-Forwarded-For"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def status(url, client):
    return requests.get(url, headers={"X-Forwarded-For": client}, timeout=5).status_code


def responds(url):
    try:
        return requests.get(f"{url}/proxy-health", timeout=1).status_code == 204
    except requests.ConnectionError:
        return False


def test_the_whole_service_is_there():
    assert {"postgres", "redis", "migrate", "web", "beat"} <= SERVICES.keys()
    assert len(OURS) == 5 + len(QUEUES)


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
    @pytest.fixture
    def nginx(self, tmp_path):
        """Run nginx with the file's configuration in front of a service that returns X-Forwarded-For; its URL."""
        text = (REPOSITORY / "deploy" / "nginx.conf").read_text()
        # The places that only the containers' network has.
        assert [text.count(each) for each in ("server web:8000;", "server stream:8000;", "listen 8080;")] == [1, 1, 1]
        with ThreadingHTTPServer(("127.0.0.1", 0), ForwardedFor) as service:
            Thread(target=service.serve_forever).start()
            port = free_port()
            text = text.replace("web:8000", f"127.0.0.1:{service.server_port}").replace("listen 8080", f"listen {port}")
            text = text.replace("stream:8000", f"127.0.0.1:{service.server_port}")
            (tmp_path / "nginx.conf").write_text(text.replace(" /tmp/", f" {tmp_path}/"))
            nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
            process = subprocess.Popen([nginx, "-c", tmp_path / "nginx.conf", "-g", "daemon off;"])
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: process.poll() is not None or responds(url))
            assert process.poll() is None
            yield url
            process.terminate()
            process.wait(10)
            service.shutdown()

    def test_tells_the_service_who_came_and_for_whom(self, nginx):
        def forwarded_for(said):
            return requests.get(nginx, headers={"X-Forwarded-For": said} if said else {}, timeout=5).text

        assert forwarded_for("") == "127.0.0.1"
        assert forwarded_for("203.0.113.9") == "203.0.113.9, 127.0.0.1"
        # What a client made up stays in front of what the proxy that ends TLS saw.
        assert forwarded_for("198.51.100.1, 203.0.113.9") == "198.51.100.1, 203.0.113.9, 127.0.0.1"

    def test_limits_each_client_also_behind_what_ends_tls(self, nginx):
        """200 connections of one client are too many; another's, over the same proxy, is one."""
        host, port = urlsplit(nginx).hostname, urlsplit(nginx).port
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
        with ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection((host, port), timeout=5)).sendall(head)
            wait_until(lambda: status(nginx, "203.0.113.9") == 503)
            assert status(nginx, "203.0.113.10") == 200

    def test_it_is_the_only_way_in_and_that_from_its_own_machine(self):
        assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
        assert [filled(port) for port in SERVICES["proxy"]["ports"]] == ["127.0.0.1:8000:8080"]

    def test_it_is_counted_and_so_is_what_ends_tls_in_front_of_it(self):
        environment = SERVICES["web"]["environment"]
        assert (filled(environment["TRUST_PROXY"]), filled(environment["NUM_PROXIES"])) == ("true", "2")


class TestRedis:
    @pytest.fixture
    def redis_server(self, tmp_path):
        """Run the command of the file, with the program that is here, on a socket instead of a port."""
        shell, option, script = SERVICES["redis"]["command"]
        (tmp_path / "redis-server").write_text(
            f'#!/bin/sh\nexec {program()} "$@" --port 0 --unixsocket {tmp_path}/socket --dir {tmp_path}\n'
        )
        (tmp_path / "redis-server").chmod(0o700)
        given = {name: filled(text) for name, text in SERVICES["redis"]["environment"].items()}
        environment = os.environ | given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [shell, option, script.replace("$$", "$")]
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        wait_until((tmp_path / "socket").exists)
        yield str(tmp_path / "socket"), process
        # The server is a child of the shell.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)

    def test_serves_only_who_knows_the_password(self, redis_server):
        socket, _ = redis_server
        with redis.Redis(unix_socket_path=socket) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        for name in OURS:
            password = urlsplit(filled(SERVICES[name]["environment"]["REDIS_URL"])).password
            with redis.Redis(unix_socket_path=socket, password=password) as ours:
                assert ours.ping()

    def test_keeps_what_waits_in_the_queue(self, redis_server):
        socket, _ = redis_server
        with redis.Redis(unix_socket_path=socket, password=SECRETS["REDIS_PASSWORD"], decode_responses=True) as ours:
            kept = ours.config_get("appendonly", "maxmemory-policy")
        assert kept == {"appendonly": "yes", "maxmemory-policy": "noeviction"}

    def test_its_password_is_in_no_list_of_processes(self, redis_server):
        _, process = redis_server
        assert SECRETS["REDIS_PASSWORD"] not in Path(f"/proc/{process.pid}/cmdline").read_text()


@pytest.mark.parametrize("image", [*IMAGES, *re.findall(r"^FROM (\S+)", "".join(STAGES), re.MULTILINE)])
def test_images_of_others_are_pinned_by_digest(image):
    assert re.fullmatch(r"[a-z]+:[0-9][0-9a-z.-]+@sha256:[0-9a-f]{64}", image)


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
