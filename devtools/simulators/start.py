"""The simulators of what development can't reach: whether they are needed, and how they are started."""

import secrets
import socket
import sys
import threading
import urllib.request
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

# As POLYMARKET_GAMMA_URL: use the simulator, whatever can be reached.
SIMULATOR = "simulator"
ASK_SECONDS = 3
X_CLIENT_ID = "simulator"
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


def x_command(port: int) -> list[str]:
    """Return the command line of the X simulator."""
    return [sys.executable, "-m", "devtools.simulators.x", "--port", str(port)]


def x_environment(url: str) -> dict[str, str]:
    """Return a client of this run alone, for the X simulator and for the service, and X's addresses."""
    return {
        "X_CLIENT_ID": X_CLIENT_ID,
        "X_CLIENT_SECRET": secrets.token_urlsafe(32),
        "X_REDIRECT_URI": "",
        "X_AUTHORIZE_URL": f"{url}/i/oauth2/authorize",
        "X_TOKEN_URL": f"{url}/2/oauth2/token",
        "X_USER_URL": f"{url}/2/users/me",
    }
