import json
import os
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader

from accounts.providers.protocol import PROVIDERS
from core.db.roles import as_owner
from core.jobs.queues import DEFAULT, PAYMENTS
from devtools import startup
from devtools.embedded.keeper import Backoff
from devtools.embedded.server import StartupError
from devtools.simulators.start import (
    PACE,
    SIMULATOR,
    free_port,
    is_reachable,
    listens,
    providers_command,
    providers_environment,
    simulator_command,
    upstream_environment,
)
from devtools.supervisor import Output, Program, Supervisor
from markets import rules
from ops import processes as programs
from ops.metrics import fresh_folder

WEB_SECONDS = 60
READY_SECONDS = 30
SIMULATOR_SECONDS = 30


class Command(BaseCommand):
    help = "Run everything under this terminal: servers, web server, workers, scheduler and, if need be, simulators."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        output = Output()
        supervisor = Supervisor(output, also_look=EmbeddedServers(output).look)
        supervisor.listen()
        try:
            status = Session(supervisor, output).run()
        finally:
            if supervisor.has_started_anything():
                output.say("Stopping; Ctrl-C again to hurry.")
            supervisor.stop()
        sys.exit(status)


class EmbeddedServers:
    """Those that this run started: their keepers start them again, and this one starts their keepers again."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._backoff = Backoff()
        self._not_before = 0.0

    def look(self) -> str | None:
        """Return why they can't be kept alive, if so."""
        for server in startup.in_use:
            for line in server.new_keeper_messages():
                self._output.say(line)
            if time.monotonic() < self._not_before:
                continue
            try:
                if not server.start_again_if_down():
                    continue
            except (OSError, StartupError) as exc:
                return f"{server.name} can't be started again: {exc}."
            delay = self._backoff.after_death(lived_seconds=0)
            if delay is None:
                return f"{server.name} doesn't stay up: see its logs in {server.directory}."
            self._not_before = time.monotonic() + delay
            self._output.say(f"{server.name} was gone, and its keeper too: started again.")
        return None


class Session:
    """One run, from the database to the last process."""

    def __init__(self, supervisor: Supervisor, output: Output) -> None:
        self._supervisor = supervisor
        self._output = output
        self._simulator = ""
        self._providers_simulator = ""
        self._previous_port = 0
        self._environment = os.environ | {
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
        if (simulated := self._providers_to_simulate()) and not self._start_providers_simulator(simulated):
            return self._supervisor.wait()
        if self._supervisor.was_asked_to_stop():
            return 0
        self._start("web", programs.web_command(settings))
        self._start("payments", programs.worker_command(PAYMENTS))
        self._start("worker", programs.worker_command(DEFAULT))
        self._start("beat", programs.beat_command())
        if rules.FEED_ENABLED:
            self._start("feed", programs.feed_command())
        threading.Thread(target=self._announce, daemon=True).start()
        return self._supervisor.wait()

    def _prepare(self) -> None:
        bring_database_up_to_date()
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
            self._environment |= fresh_folder(settings.VAR_DIR)
            # With the same port addresses of pictures that were ingested stay good.
            self._previous_port = startup.previous_simulator_port(settings.VAR_DIR)
            startup.publish_running(settings.VAR_DIR, {})
        except OSError as error:
            raise CommandError(f"VAR_DIR {settings.VAR_DIR} can't be used: {error}") from error
        self._output.say("Database and static files are up to date.")

    def _wants_simulator(self) -> bool:
        gamma = settings.POLYMARKET_GAMMA_URL
        if gamma == SIMULATOR:
            self._output.say("Markets come from the bundled simulator, as POLYMARKET_GAMMA_URL=simulator says.")
            return True
        if is_reachable(gamma):
            return False
        self._output.say(f"Polymarket can't be reached at {gamma}: markets come from the bundled simulator.")
        return True

    def _start_simulator(self) -> bool:
        """Return whether it listens now; if not, it died or somebody wants to stop."""
        port = settings.SIMULATOR_PORT or self._previous_port or free_port()
        self._simulator = f"http://127.0.0.1:{port}"
        upstream = upstream_environment(self._simulator)
        startup.publish_running(settings.VAR_DIR, upstream)
        pace = {name: value for name, value in PACE.items() if name not in os.environ}
        self._environment |= upstream | pace
        return self._start_server("simulator", simulator_command(port, settings.VAR_DIR / "simulator.state"), port)

    def _providers_to_simulate(self) -> list[str]:
        """Return the providers whose client isn't configured, after saying so."""
        missing = [provider for provider in PROVIDERS.values() if not provider.setting("CLIENT_ID")]
        for provider in missing:
            title, name = provider.title, provider.name.upper()
            self._output.say(
                f"Sign in with {title} goes to the bundled {title} simulator: {name}_CLIENT_ID is not set."
            )
        return [provider.name for provider in missing]

    def _start_providers_simulator(self, names: list[str]) -> bool:
        """Do for these providers what `_start_simulator` does."""
        port = free_port()
        self._providers_simulator = f"http://127.0.0.1:{port}"
        self._environment |= providers_environment(self._providers_simulator, names)
        return self._start_server("providers", providers_command(port), port)

    def _start_server(self, name: str, command: list[str], port: int) -> bool:
        self._start(name, command, serves_others=True)
        deadline = time.monotonic() + SIMULATOR_SECONDS
        while not listens(port):
            if self._supervisor.was_asked_to_stop() or not self._supervisor.tend():
                return False
            if time.monotonic() > deadline:
                raise CommandError(f"{name} doesn't listen on port {port} after {SIMULATOR_SECONDS} s.")
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
            self._output.say(url_table(base, simulator=self._simulator, providers=self._providers_simulator))

    def _wait_for(self, url: str, wanted: set[str], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._supervisor.stopping.is_set():
            if status_said(url) in wanted:
                return True
            time.sleep(0.1)
        return False


def bring_database_up_to_date() -> None:
    """Apply the migrations that are missing. Raises CommandError."""
    try:
        # As the owner: of a database from before there was a role of the service's own, that may read nothing yet.
        with as_owner():
            refuse_newer_database()
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise CommandError(f"The database can't be used: {str(error).splitlines()[0]}") from error
    finally:
        connections.close_all()


def refuse_newer_database() -> None:
    """Raise CommandError where the database has migrations that this code doesn't know."""
    loader = MigrationLoader(connection)
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update(migration.replaces)
    unknown = sorted(
        f"{app}.{name}"
        for app, name in loader.applied_migrations.keys() - known
        if app in loader.migrated_apps  # those of an app that was removed do no harm
    )
    if unknown:
        raise CommandError(
            f"The database is of a newer version, with migrations unknown here ({', '.join(unknown[:3])}): "
            "update the code, or choose another VAR_DIR."
        )


def status_said(url: str) -> str:
    """Return the `status` that our own web server says there, good or bad; empty without a response.

    It is asked directly even where the environment names a proxy.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as response:
            return str(json.load(response)["status"])
    except HTTPError as refusal:
        with refusal, suppress(OSError, ValueError, KeyError):
            return str(json.load(refusal)["status"])
    except (OSError, HTTPException, ValueError, KeyError):
        pass
    return ""


def own_url() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)  # noqa: S104 - only recognised
    return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{settings.PORT}"


def url_table(base: str, *, simulator: str, providers: str) -> str:
    rows = {
        "Welcome": f"{base}/",
        "Markets": f"{base}/api/v1/markets",
        "Sign in": f"{base}/api/v1/auth/x",
        "API docs": f"{base}/api/docs",
        "Schema": f"{base}/api/schema",
        "Admin": f"{base}/admin/",
        "Health": f"{base}/health",
        "Readiness": f"{base}/ready",
    }
    if simulator:
        rows["Simulator"] = f"{simulator}/_control"
    if providers:
        rows["Providers"] = providers
    lines = [f"  {name:<11} {url}" for name, url in rows.items()]
    more = (
        "In another terminal: `make admin` makes who may sign in to the admin, `make demo` a month of bets to look at."
    )
    return "\n".join(["", "THISTHAT is running. Ctrl-C stops it.", *lines, more, ""])
