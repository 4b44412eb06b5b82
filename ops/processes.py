"""The command lines of the service's processes: the same in development and in production."""

import sys
from pathlib import Path
from typing import Protocol


class WebSettings(Protocol):
    HOST: str
    PORT: int
    WEB_WORKERS: int
    WEB_THREADS: int
    STATIC_URL: str
    STATIC_ROOT: Path
    LOG_LEVEL: str


def web_command(settings: WebSettings) -> list[str]:
    options = {
        "--interface": "wsgi",
        "--host": settings.HOST,
        "--port": str(settings.PORT),
        "--workers": str(settings.WEB_WORKERS),
        "--blocking-threads": str(settings.WEB_THREADS),
        "--backlog": "2048",
        # Requests beyond what the threads can soon take wait in the backlog, not in memory.
        "--backpressure": str(settings.WEB_THREADS * 4),
        "--http": "1",
        "--workers-kill-timeout": "10",
        "--static-path-route": settings.STATIC_URL.rstrip("/"),
        "--static-path-mount": str(settings.STATIC_ROOT),
        "--log-level": "warning",
    }
    command = [sys.executable, "-m", "granian", "--no-ws", "--respawn-failed-workers"]
    for name, value in options.items():
        command += [name, value]
    return [*command, "thisthat.wsgi:application"]


def worker_command(*queues: str, concurrency: int = 2) -> list[str]:
    """A worker for these queues; for all of them when none is named."""
    options = ["--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "INFO"]
    options += ["--without-gossip", "--without-mingle"]
    if queues:
        # Workers of one machine need names that differ.
        options += ["--queues", ",".join(queues), "--hostname", f"{'-'.join(queues)}@%h"]
    return [sys.executable, "-m", "celery", "--quiet", "-A", "thisthat", "worker", *options]


def beat_command() -> list[str]:
    # No pid file: one left behind by a power cut would keep the clock from starting.
    options = ["--pidfile=", "--loglevel", "INFO"]
    return [sys.executable, "-m", "celery", "--quiet", "-A", "thisthat", "beat", *options]
