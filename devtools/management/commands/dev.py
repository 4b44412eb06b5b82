import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from core.file_locks import open_lock, try_lock
from core.jobs.queues import DEFAULT, PAYMENTS
from devtools import upstream, x
from devtools.postgres import server as postgres
from devtools.supervisor import Output, Program, Supervisor
from ops import processes as programs
from ops.broker import prepare_broker
from ops.metrics_files import fresh_folder

WEB_SECONDS = 60
READY_SECONDS = 30
STAND_IN_SECONDS = 30


class Command(BaseCommand):
    help = "Run everything under this terminal: database, web server, workers, clock and, if need be, stand-ins."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        refuse_in_production()
        with only_one(settings.VAR_DIR):
            refuse_taken_port()
            output = Output()
            supervisor = Supervisor(output)
            supervisor.listen()
            try:
                status = Session(supervisor, output).run()
            finally:
                output.say("Stopping; Ctrl-C again to hurry.")
                supervisor.stop()
            sys.exit(status)


class Session:
    """One run, from the database to the last process."""

    def __init__(self, supervisor: Supervisor, output: Output) -> None:
        self._supervisor = supervisor
        self._output = output
        self._simulator = ""
        self._stand_in_x = ""
        self._environment = os.environ | {
            "DATABASE_URL": os.environ.get("DATABASE_URL") or postgres.database_url(settings.VAR_DIR),
            "VAR_DIR": str(settings.VAR_DIR),
            "PYTHONUNBUFFERED": "1",
            # In a container everybody is root; Celery has a paragraph to say about that.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        }

    def run(self) -> int:
        os.chdir(settings.BASE_DIR)
        self._prepare()
        if self._wants_simulator() and not self._start_simulator():
            return self._supervisor.wait()
        if self._wants_stand_in_x() and not self._start_stand_in_x():
            return self._supervisor.wait()
        if self._supervisor.was_asked_to_stop():
            return 0
        self._start("web", programs.web_command(settings))
        self._start("payments", programs.worker_command(PAYMENTS))
        self._start("worker", programs.worker_command(DEFAULT))
        self._start("beat", programs.beat_command())
        threading.Thread(target=self._announce, daemon=True).start()
        return self._supervisor.wait()

    def _prepare(self) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"The database can't be used: {error}") from error
        finally:
            connections.close_all()
        call_command("collectstatic", interactive=False, verbosity=0)
        prepare_broker()
        self._environment |= fresh_folder(settings.VAR_DIR)
        self._output.say("Database and static files are up to date.")

    def _wants_simulator(self) -> bool:
        gamma = settings.POLYMARKET_GAMMA_URL
        if gamma == upstream.SIMULATOR:
            self._output.say("Markets come from the bundled simulator, as POLYMARKET_GAMMA_URL=simulator says.")
            return True
        if upstream.is_reachable(gamma):
            return False
        self._output.say(f"Polymarket can't be reached at {gamma}: markets come from the bundled simulator.")
        return True

    def _start_simulator(self) -> bool:
        """Whether it listens now; if not, it died or somebody wants to stop."""
        port = settings.SIMULATOR_PORT or upstream.free_port()
        self._simulator = f"http://127.0.0.1:{port}"
        self._environment |= {"POLYMARKET_GAMMA_URL": self._simulator, "POLYMARKET_CLOB_URL": self._simulator}
        return self._start_server("simulator", upstream.simulator_command(port), port)

    def _wants_stand_in_x(self) -> bool:
        if settings.X_CLIENT_ID:
            return False
        self._output.say("Sign in with X goes to the bundled stand-in for X: X_CLIENT_ID is not set.")
        return True

    def _start_stand_in_x(self) -> bool:
        """As with the simulator."""
        port = upstream.free_port()
        self._stand_in_x = f"http://127.0.0.1:{port}"
        self._environment |= x.stand_in_environment(self._stand_in_x)
        return self._start_server("x", x.stand_in_command(port), port)

    def _start_server(self, name: str, command: list[str], port: int) -> bool:
        self._start(name, command, serves_others=True)
        deadline = time.monotonic() + STAND_IN_SECONDS
        while not upstream.listens(port):
            if self._supervisor.was_asked_to_stop() or self._supervisor.died():
                return False
            if time.monotonic() > deadline:
                raise CommandError(f"{name} doesn't listen on port {port} after {STAND_IN_SECONDS} s.")
            time.sleep(0.05)
        return True

    def _start(self, name: str, command: list[str], *, serves_others: bool = False) -> None:
        self._supervisor.start(Program(name, command, self._environment, serves_others))

    def _announce(self) -> None:
        base = own_url()
        # Jobs that are late after a pause are made up for by and by.
        alive = self._wait_for(f"{base}/health", {"ok"}, WEB_SECONDS)
        if alive and not self._wait_for(f"{base}/ready", {"ready", "degraded"}, READY_SECONDS):
            self._output.say(f"Not everything is ready yet: {base}/ready says what is missing.")
        if not self._supervisor.stopping.is_set():
            self._output.say(url_table(base, simulator=self._simulator, stand_in_x=self._stand_in_x))

    def _wait_for(self, url: str, wanted: set[str], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._supervisor.stopping.is_set():
            if upstream.status_said(url) in wanted:
                return True
            time.sleep(0.1)
        return False


def refuse_in_production() -> None:
    if not settings.DEBUG:
        raise CommandError("`make run` is for development: set DEBUG=true, or start the processes one by one.")


def refuse_taken_port() -> None:
    if not upstream.is_port_free(settings.HOST, settings.PORT):
        raise CommandError(
            f"Port {settings.PORT} on {settings.HOST} can't be had: something else uses it. "
            f"Stop that, or choose another port: make run PORT={settings.PORT + 1}"
        )


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = open_lock(directory / "dev.lock")
    try:
        if not try_lock(descriptor):
            raise CommandError(f"`make run` is already running in {directory}: stop it, or choose another VAR_DIR.")
        yield
    finally:
        os.close(descriptor)


def own_url() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)  # noqa: S104 - only recognised
    return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{settings.PORT}"


def url_table(base: str, *, simulator: str, stand_in_x: str) -> str:
    rows = {
        "Markets": f"{base}/api/v1/markets",
        "Sign in": f"{base}/api/v1/auth/x",
        "API docs": f"{base}/api/docs",
        "Schema": f"{base}/api/schema",
        "Admin": f"{base}/admin/",
        "Health": f"{base}/health",
        "Readiness": f"{base}/ready",
    }
    if simulator:
        rows["Simulator"] = simulator
    if stand_in_x:
        rows["Stand-in X"] = stand_in_x
    lines = [f"  {name:<10} {url}" for name, url in rows.items()]
    return "\n".join(["", "THISTHAT is running. Ctrl-C stops it.", *lines, ""])
