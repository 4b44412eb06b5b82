"""The command lines of the service's processes, the same in development and in production, and web's health check.

`python -m ops.processes web_alive` asks the web server whether it responds, under the first of the service's own names,
for it responds to no other. It is on the standard library alone: it starts fast and needs no settings.
"""

import os
import sys
import urllib.request
from typing import Protocol

HEALTH_SECONDS = 4


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


def feed_command() -> list[str]:
    return [sys.executable, "-m", "markets.feed"]


def web_alive() -> int:
    """Return the status to exit with: 0 if the web server of this machine responds."""
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip("*. ") or "localhost"
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health"
    request = urllib.request.Request(url, headers={"Host": name})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(request, timeout=HEALTH_SECONDS).close()
    except OSError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - what the container's engine shows
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(web_alive() if sys.argv[1:] == ["web_alive"] else "Usage: python -m ops.processes web_alive")
