#!/usr/bin/env python
"""The command line of the service: `python manage.py help` lists what it can do."""

import os
import sys
from pathlib import Path


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        from devtools.embedded.server import StartupError
        from devtools.startup import provide_services
    except ModuleNotFoundError as exc:
        sys.exit(f"{sys.executable} has no {exc.name}: {advice()}")

    try:
        provide_services(sys.argv)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, StartupError) as exc:
        sys.exit(f"{exc}")


def advice() -> str:
    """Return what to do where a package is missing, as outside the virtual environment."""
    python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parent.parent.resolve():
        return f"run {python} {' '.join(sys.argv)}"
    return "`make run` installs what the service needs into .venv; then run .venv/bin/python manage.py."


if __name__ == "__main__":
    main()
