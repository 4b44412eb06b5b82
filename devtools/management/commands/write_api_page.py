from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from devtools.api_page import write_page


class Command(BaseCommand):
    help = "Writes the page about the API from its description and the examples."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, what in (("schema", "the description"), ("examples", "the examples"), ("file", "the page")):
            parser.add_argument(f"--{name}", type=Path, required=True, help=f"where {what} is")

    def handle(self, *args: Any, **options: Any) -> None:
        schema, examples = (yaml.safe_load(options[name].read_text()) for name in ("schema", "examples"))
        try:
            page = write_page(schema, examples)
        except ValueError as wrong:
            raise CommandError(str(wrong)) from wrong
        options["file"].write_text(page)
