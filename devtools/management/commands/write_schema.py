import json
from typing import Any

from django.core.management.base import BaseCommand

from core.db import schema


class Command(BaseCommand):
    help = "Write core/db/schema.json from a database that the migrations have just made."

    def handle(self, *args: Any, **options: Any) -> None:
        schema.PATH.write_text(json.dumps(schema.read(), indent=1) + "\n")
        self.stdout.write(f"Wrote {schema.PATH.name}.")
