"""What is around the database: cache, queue, upstream, disk."""

import os
import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import requests
from django.conf import settings

from ops import health
from ops.doctor.findings import Finding, failure, ok, warning

UPSTREAM_SECONDS = 4.0
START_REDIS = "Start Redis, or set REDIS_URL to where it is. Meanwhile the API serves without."
MEBIBYTE = 1024 * 1024
LITTLE_SPACE, TOO_LITTLE_SPACE = 1024 * MEBIBYTE, 100 * MEBIBYTE


def check_cache() -> Iterator[Finding]:
    health.check_cache()
    yield ok("cache", "Redis answers" if settings.REDIS_URL else "in the memory of each process")


def check_broker() -> Iterator[Finding]:
    health.check_broker()
    yield ok("broker", "Redis answers" if settings.REDIS_URL else "a folder of this machine")


def check_upstream() -> Iterator[Finding]:
    yield from asked("POLYMARKET_GAMMA_URL", f"{settings.POLYMARKET_GAMMA_URL}/events/keyset?limit=1&closed=false")
    yield from asked("POLYMARKET_CLOB_URL", f"{settings.POLYMARKET_CLOB_URL}/time")


def asked(name: str, url: str) -> Iterator[Finding]:
    if not url.startswith(("http://", "https://")):
        yield warning("upstream", f"{name} names no server: only `make run` knows what to do", f"Set {name} to a URL.")
        return
    advice = f"See that this machine reaches it, and that {name} is right. Meanwhile there are no live odds."
    try:
        answer = requests.get(url, timeout=UPSTREAM_SECONDS, stream=True, allow_redirects=False)
    except (requests.RequestException, ValueError, OSError) as exc:
        yield failure("upstream", f"{name} can't be reached: {type(exc).__name__}", advice)
        return
    with answer:
        if answer.status_code != HTTPStatus.OK:
            yield failure("upstream", f"{name} answers with status {answer.status_code}", advice)
        else:
            yield ok("upstream", f"{name} answers")


def check_disk() -> Iterator[Finding]:
    folder: Path = settings.VAR_DIR
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield failure("disk", f"{existing} can't be written", "Let the service's account write to VAR_DIR.")
        return
    free = shutil.disk_usage(existing).free
    text = f"{free // MEBIBYTE} MiB are free in VAR_DIR"
    if free < TOO_LITTLE_SPACE:
        yield failure("disk", text, "Make room.")
    elif free < LITTLE_SPACE:
        yield warning("disk", text, "Make room soon.")
    else:
        yield ok("disk", text)
