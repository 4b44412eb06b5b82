"""`manage.py doctor`: what it finds, what it says to do, and that nothing makes it hang, fall over or tell a secret."""

import json
import os
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from django.utils import timezone

from core.db.sql import execute
from core.models import JobRun
from devtools.embedded.postgres import OWNER, ROLE
from devtools.simulators.polymarket import Simulator
from ops.doctor import clock_finding
from tests.core.service_process import PRODUCTION, REDIS_AWAY, run
from tests.databases import with_database
from tests.environment import NOWHERE
from tests.roles import as_owner

GOOD = PRODUCTION | {
    "ALLOWED_HOSTS": "api.example.com",
    "TRUST_PROXY": "true",
    "NUM_PROXIES": "1",
    "SECURE_SSL_REDIRECT": "true",
}
AWAY = {"REDIS_URL": REDIS_AWAY, "POLYMARKET_GAMMA_URL": NOWHERE, "POLYMARKET_CLOB_URL": NOWHERE}
PASSWORD = "swordfish-of-the-database"


def examined(environment, **options):
    """Exit code, and what was found by check."""
    done = run(["manage.py", "doctor", "--json"], GOOD | environment, **options)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return done.returncode, found


def worst(findings):
    return max((finding["state"] for finding in findings), key=["ok", "warning", "failure"].index)


@pytest.fixture
def all_there(database, redis_server):
    redis_server.start()
    with Simulator(seed=7, events=2) as upstream:
        yield {
            "DATABASE_URL": database,
            "REDIS_URL": redis_server.url,
            "POLYMARKET_GAMMA_URL": upstream.gamma_url,
            "POLYMARKET_CLOB_URL": upstream.clob_url,
        }


def add_run(job, status, *, ago):
    at = timezone.now() - ago
    JobRun.objects.create(job=job, status=status, started_at=at, finished_at=at, error="it broke")


def test_a_sound_service_passes_every_check(all_there):
    add_run("markets.refresh_odds", "succeeded", ago=timedelta())
    code, found = examined(all_there)
    assert {check: worst(findings) for check, findings in found.items()} == {
        "settings": "ok",
        # Tests run without what keeps credits through a power cut.
        "database": "warning",
        "clock": "ok",
        "migrations": "ok",
        "role": "ok",
        "schema": "ok",
        "cache": "ok",
        "broker": "ok",
        "upstream": "ok",
        "jobs": "ok",
        # None runs here.
        "feed": "warning",
        "disk": "ok",
    }
    assert code == 0


def test_a_line_says_each_thing_and_what_to_do(all_there):
    done = run(["manage.py", "doctor"], GOOD | all_there | {"THROTTLE_ENABLED": "false"})
    lines = done.stdout.splitlines()
    assert next(line for line in lines if "Set THROTTLE_ENABLED=true." in line).startswith("WARNING  settings ")
    assert lines[-1].startswith("0 failures, ")
    assert done.returncode == 0


def test_late_and_failed_jobs_are_named(all_there):
    add_run("markets.refresh_odds", "succeeded", ago=timedelta(days=1))
    add_run("leaderboard.update", "succeeded", ago=timedelta(seconds=2))
    add_run("leaderboard.update", "failed", ago=timedelta(seconds=1))
    code, found = examined(all_there)
    said = {finding["text"].split(" has ")[0].split(" run of ")[-1]: finding["state"] for finding in found["jobs"]}
    assert said["markets.refresh_odds"] == "failure"
    assert said["leaderboard.update failed"] == "warning"
    assert code == 1


def test_what_is_away_is_a_line_each_with_what_to_do(folder):
    database = f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/none"
    code, found = examined({"DATABASE_URL": database, **AWAY})
    assert code == 1
    for check in ("database", "migrations", "cache", "broker", "upstream", "jobs"):
        assert worst(found[check]) == "failure"
        assert all(finding["advice"] for finding in found[check])
        assert all("\n" not in finding["text"] for finding in found[check])


def silent_port(stack):
    """It takes connections, and says nothing."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=50))
    return listening.getsockname()[1]


def test_what_hangs_is_waited_for_seconds_only():
    with ExitStack() as stack:
        upstream = f"http://127.0.0.1:{silent_port(stack)}"
        hanging = {
            "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{silent_port(stack)}/none",
            "REDIS_URL": f"redis://127.0.0.1:{silent_port(stack)}/0",
            "POLYMARKET_GAMMA_URL": upstream,
            "POLYMARKET_CLOB_URL": upstream,
        }
        started = time.monotonic()
        code, found = examined(hanging)
        assert time.monotonic() - started < 40
    assert code == 1
    assert all(worst(found[check]) == "failure" for check in ("database", "cache", "broker", "upstream"))


WEAK = {
    "SECRET_KEY": "change-me",
    "JWT_ACCESS_SECRET": "change-me",
    "ALLOWED_HOSTS": "*",
    "FRONTEND_URL": "http://www.example.com",
    "NUM_PROXIES": "0",
    "THROTTLE_ENABLED": "false",
    "PURCHASES_ALLOW_SIMULATED": "true",
    "X_CLIENT_ID": "an-app",
    "GOOGLE_CLIENT_ID": "an-app",
    "DISCORD_CLIENT_SECRET": "swordfish",
    "STRIPE_SECRET_KEY": "sk_live_swordfish",
}


def test_weak_settings_are_named(folder):
    code, found = examined(AWAY | WEAK)
    said = " ".join(finding["text"] + finding["advice"] for finding in found["settings"])
    assert all(name in said for name in WEAK), [name for name in WEAK if name not in said]
    assert code == 1


def test_development_is_said_to_be_that_and_nothing_more(database):
    _, found = examined({"DEBUG": "true", "DATABASE_URL": database, **AWAY})
    assert [finding["state"] for finding in found["settings"]] == ["warning"]


def test_it_never_tells_a_secret(folder):
    secrets = {
        "SECRET_KEY": "swordfish-one-" * 4,
        "JWT_ACCESS_SECRET": "swordfish-two-" * 4,
        "STRIPE_SECRET_KEY": "swordfish-three",
        "X_CLIENT_SECRET": "swordfish-four",
        "GOOGLE_CLIENT_SECRET": "swordfish-five",
        "DISCORD_CLIENT_SECRET": "swordfish-six",
        # Neither is an address that can be used, which makes libraries quote them.
        "DATABASE_URL": f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/none?swordfish=1",
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:1/0",
    }
    for arguments in (["doctor"], ["doctor", "--json"]):
        done = run(["manage.py", *arguments], GOOD | AWAY | secrets)
        assert done.returncode == 1
        said = done.stdout + done.stderr
        assert not any(secret in said for name, secret in secrets.items() if "URL" not in name)
        assert PASSWORD not in said


def test_a_setting_that_is_missing_is_one_line():
    done = run(["manage.py", "doctor"], {name: value for name, value in GOOD.items() if name != "SECRET_KEY"})
    assert done.returncode == 1
    assert "SECRET_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrations_that_wait_are_told(all_there):
    name = f"test_thisthat_{os.getpid()}_{uuid4().hex[:8]}"
    url, owner = os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"]
    with psycopg.connect(with_database(owner, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            code, found = examined(all_there | {"DATABASE_URL": with_database(url, name)})
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert code == 1
    assert "migrate" in found["migrations"][0]["advice"]


def test_a_role_that_may_do_more_is_a_warning(all_there):
    _, found = examined(
        all_there | {"DATABASE_URL": all_there["DATABASE_URL"].replace(f"{ROLE}:{ROLE}", f"{OWNER}:{OWNER}")}
    )
    assert worst(found["role"]) == "warning"
    assert "owns tables" in found["role"][0]["text"]
    assert "DATABASE_OWNER_URL" in found["role"][0]["advice"]


def test_what_is_no_longer_as_the_migrations_made_it_is_named(all_there):
    switch = "ALTER TABLE credit_transactions {} TRIGGER credit_transactions_append_only"
    with as_owner():
        execute(switch.format("DISABLE"))
    try:
        code, found = examined(all_there)
    finally:
        with as_owner():
            execute(switch.format("ENABLE ALWAYS"))
    assert [finding["text"] for finding in found["schema"]] == [
        "trigger credit_transactions.credit_transactions_append_only is another"
    ]
    assert code == 1


def test_a_folder_that_cannot_be_written_is_a_failure():
    _, found = examined(AWAY | {"VAR_DIR": "/dev/null/thisthat"})
    assert worst(found["disk"]) == "failure"


def test_clocks_that_differ_are_a_warning_and_a_slow_response_is_none():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    later = noon + timedelta(seconds=10)
    assert clock_finding(noon, noon + timedelta(seconds=5), later).state == "ok"
    assert clock_finding(noon, later + timedelta(seconds=3), later).state == "warning"
    assert clock_finding(noon, noon - timedelta(seconds=3), later).state == "warning"
