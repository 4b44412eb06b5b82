"""Whichever process serves `/metrics`, the metrics are those of all of them, also of those that died."""

import os
import signal
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.core.service_process import PRODUCTION, run
from tests.devtools.conftest import is_process_alive, soon
from tests.markets.factories import add_mirrored
from tests.ops.servers import Process, Web

NOWHERE = "http://127.0.0.1:1"
REQUESTS = 60
UPSTREAM = {"POLYMARKET_GAMMA_URL": NOWHERE, "POLYMARKET_CLOB_URL": NOWHERE}


@pytest.fixture
def web(database, running):
    return lambda: running(Web, DATABASE_URL=database, WEB_WORKERS="2", **UPSTREAM)


def sums(web) -> dict[str, float]:
    """Each sample's name and the sum of its values."""
    response = web.get("/metrics")
    assert response.status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def counted(web, path="/health") -> float:
    families = text_string_to_metric_families(web.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "thisthat_http_request_duration_seconds_count" and sample.labels["route"] == path
    )


def workers_of(web) -> list[int]:
    main = web.process.pid
    children = map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())
    return [pid for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_every_response_has_the_requests_of_all_processes(web):
    serving = web()
    before = counted(serving)
    for _ in range(REQUESTS):
        serving.get("/health")
    assert {counted(serving) - before for _ in range(10)} == {REQUESTS}


def test_a_process_that_died_takes_no_count_with_it_and_leaves_no_state(web):
    serving = web()
    market = add_mirrored()
    # An upstream that is away: enough tries for a breaker to open in each process.
    for _ in range(40):
        serving.get(f"/api/v1/markets/{market.pk}/live")
    before = sums(serving)
    assert before["thisthat_upstream_breaker_open"] == 1
    assert before["thisthat_upstream_refused_total"] > 0
    died = workers_of(serving)
    assert len(died) == 2
    for pid in died:
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not any(map(is_process_alive, died)) and serving.is_alive(), seconds=30)
    after = sums(serving)
    assert "thisthat_upstream_breaker_open" not in after
    for name in ("thisthat_upstream_refused_total", "thisthat_upstream_request_duration_seconds_count"):
        assert after[name] == before[name]


def test_a_worker_of_the_same_machine_is_counted_too(database, web, running, folder):
    serving = web()
    assert "thisthat_upstream_request_duration_seconds_count" not in sums(serving)
    environment = {"DATABASE_URL": database, **UPSTREAM}
    working = running(Process, [sys.executable, "manage.py", "work", "--concurrency", "1", "default"], **environment)
    send = "from thisthat.celery import app; app.send_task('markets.ingest')"
    assert run(["manage.py", "shell", "-c", send], PRODUCTION | environment | {"VAR_DIR": str(folder)}).returncode == 0
    assert soon(lambda: "thisthat_upstream_request_duration_seconds_count" in sums(serving), seconds=60), working.log
    assert working.stop() == 0
    assert "thisthat_upstream_request_duration_seconds_count" in sums(serving)


def test_a_start_begins_at_nothing_and_clears_up(web, folder):
    first = web()
    for _ in range(REQUESTS):
        first.get("/health")
    assert counted(first) >= REQUESTS
    assert first.stop() == 0
    second = web()
    assert counted(second) < REQUESTS
    (left,) = (folder / "metrics").glob("*/")
    assert left.name.endswith(f"-{second.process.pid}")


def test_a_program_that_starts_beside_another_leaves_its_counts_alone(web):
    first = web()
    for _ in range(REQUESTS):
        first.get("/health")
    second = web()
    assert counted(first) == counted(second) >= REQUESTS
