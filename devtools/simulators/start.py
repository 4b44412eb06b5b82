"""The simulators of what development can't reach: whether they are needed, and how they are started."""

import secrets
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from devtools.simulators.providers.endpoints import DIALECTS

# As POLYMARKET_GAMMA_URL: use the simulator, whatever can be reached.
SIMULATOR = "simulator"
ASK_SECONDS = 3
CLIENT_ID = "simulator"
# How often jobs run where something ends every few seconds.
PACE = {"MARKET_INGEST_CRON": "* * * * *", "MARKET_RESOLVE_SECONDS": "15", "MARKET_EDITION_SECONDS": "15"}


def is_reachable(gamma_url: str, *, seconds: float = ASK_SECONDS) -> bool:
    """Return whether Polymarket responds to one request with a success, in time. Never raises, whatever the URL."""
    found = threading.Event()

    def ask() -> None:
        request = f"{gamma_url.rstrip('/')}/events/keyset?limit=1&closed=false"
        with (
            suppress(OSError, HTTPException, ValueError),
            urllib.request.urlopen(request, timeout=seconds) as response,  # noqa: S310 - the configured upstream
        ):
            if response.status == HTTPStatus.OK:
                found.set()

    # In a thread, because looking a name up has no time limit of its own.
    request = threading.Thread(target=ask, daemon=True)
    request.start()
    request.join(seconds)
    return found.is_set()


def upstream_environment(url: str) -> dict[str, str]:
    """Return what has the service use the simulator at this address."""
    websocket = f"{url.replace('http', 'ws', 1)}/ws/market"
    return {"POLYMARKET_GAMMA_URL": url, "POLYMARKET_CLOB_URL": url, "POLYMARKET_WS_URL": websocket}


def simulator_command(port: int, state: Path) -> list[str]:
    """Return the command line of the Polymarket simulator: a lively world, which goes on where `state` left it."""
    module = "devtools.simulators.polymarket"
    options = ["--port", str(port), "--host", "127.0.0.1", "--events", "400"]
    options += ["--lively", "--tick-seconds", "3", "--state", str(state)]
    return [sys.executable, "-m", module, *options]


def free_port() -> int:
    """Return a port of this machine that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether something takes connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def providers_command(port: int) -> list[str]:
    """Return the command line of the simulator of X, Google and Discord."""
    return [sys.executable, "-m", "devtools.simulators.providers", "--port", str(port)]


def providers_environment(url: str, names: Iterable[str]) -> dict[str, str]:
    """Return clients of this run alone, for the simulator and for the service, and the addresses of these providers."""
    environment: dict[str, str] = {}
    for name in names:
        dialect, prefix = DIALECTS[name], name.upper()
        environment |= {
            f"{prefix}_CLIENT_ID": CLIENT_ID,
            f"{prefix}_CLIENT_SECRET": secrets.token_urlsafe(32),
            f"{prefix}_REDIRECT_URI": "",
            f"{prefix}_AUTHORIZE_URL": url + dialect.authorize,
            f"{prefix}_TOKEN_URL": url + dialect.token,
            f"{prefix}_USER_URL": url + dialect.user,
        }
    return environment
