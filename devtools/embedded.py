"""The embedded servers that stand in for what development has no address of."""

import os
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent


def provide_services() -> None:
    """Start an embedded PostgreSQL and set DATABASE_URL, in development and where it isn't set.

    Called before the settings are read. The server stays up until this process ends. Raises ClusterError.
    """
    env = environ.Env()
    if env.bool("DJANGO_READ_DOT_ENV", default=True):
        env.read_env(BASE_DIR / ".env")
    if not env.bool("DEBUG", default=False) or env.str("DATABASE_URL", default=""):
        return
    # Production has no need of the server's package.
    from devtools.postgres import server  # noqa: PLC0415

    var_dir = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
    os.environ["DATABASE_URL"] = server.database_url(var_dir)
