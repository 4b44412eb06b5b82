"""Is Polymarket there? If not, the bundled simulator stands in for it."""

import json
import socket
import sys
import threading
import urllib.request
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError

SIMULATOR = "simulator"
ASK_SECONDS = 3


def is_reachable(gamma_url: str, *, seconds: float = ASK_SECONDS) -> bool:
    """Whether it answers one plain question with a success, in time. Never raises, whatever the address."""
    found = threading.Event()

    def ask() -> None:
        request = f"{gamma_url.rstrip('/')}/events/keyset?limit=1&closed=false"
        with (
            suppress(OSError, HTTPException, ValueError),
            urllib.request.urlopen(request, timeout=seconds) as answer,  # noqa: S310 - the configured upstream
        ):
            if answer.status == HTTPStatus.OK:
                found.set()

    # In a thread, because looking a name up has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return found.is_set()


def simulator_command(port: int) -> list[str]:
    module = "devtools.simulators.polymarket"
    options = ["--port", str(port), "--host", "127.0.0.1", "--events", "400", "--tick-seconds", "5"]
    return [sys.executable, "-m", module, *options]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections that linger from an earlier run don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(port: int, *, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def status_said(url: str) -> str:
    """The `status` that our own web server says there, good or bad; empty without an answer.

    It is asked directly even where the environment names a proxy.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return str(json.load(answer)["status"])
    except HTTPError as refusal:
        with refusal, suppress(OSError, ValueError, KeyError):
            return str(json.load(refusal)["status"])
    except (OSError, HTTPException, ValueError, KeyError):
        pass
    return ""
