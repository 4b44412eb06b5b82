#!/usr/bin/env python
"""The command line of the service: `python manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from devtools.embedded.server import StartupError
    from devtools.startup import provide_services

    try:
        provide_services(sys.argv)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, StartupError) as exc:
        sys.exit(f"{exc}")


if __name__ == "__main__":
    main()
