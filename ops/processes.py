"""The command lines of the service's processes: the same in development and in production."""

import sys
from typing import Protocol


class WebSettings(Protocol):
    HOST: str
    PORT: int
    WEB_WORKERS: int
    WEB_CONNECTIONS: int
    WEB_HEADER_TIMEOUT: float
    WEB_IDLE_TIMEOUT: float
    WEB_SEND_TIMEOUT: float
    WEB_STOP_TIMEOUT: int


def web_command(settings: WebSettings, application: str = "thisthat.asgi:application") -> list[str]:
    """Return the command of the web server's master; its workers read the other settings themselves."""
    options = {
        "--host": settings.HOST,
        "--port": settings.PORT,
        "--workers": settings.WEB_WORKERS,
        "--max-connections": settings.WEB_CONNECTIONS,
        "--head-seconds": settings.WEB_HEADER_TIMEOUT,
        "--idle-seconds": settings.WEB_IDLE_TIMEOUT,
        "--send-seconds": settings.WEB_SEND_TIMEOUT,
        "--stop-seconds": settings.WEB_STOP_TIMEOUT,
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "ops.serving.server", application, *words]


def worker_command(*queues: str, concurrency: int = 2) -> list[str]:
    """Return the command of a worker for these queues; for all of them when none is named."""
    options = ["--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "INFO"]
    options += ["--without-gossip", "--without-mingle"]
    if queues:
        # Workers of one machine need names that differ.
        options += ["--queues", ",".join(queues), "--hostname", f"{'-'.join(queues)}@%h"]
    return [sys.executable, "-m", "celery", "--quiet", "-A", "thisthat", "worker", *options]


def beat_command() -> list[str]:
    # No pid file: one left behind by a power cut would keep the scheduler from starting.
    options = ["--pidfile=", "--loglevel", "INFO"]
    return [sys.executable, "-m", "celery", "--quiet", "-A", "thisthat", "beat", *options]
