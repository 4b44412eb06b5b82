from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, transaction

from core.db.roles import as_owner, secure


class Command(migrate.Command):
    help = f"{migrate.Command.help} Runs as the owner of the database, and grants the service's role what it needs."

    def handle(self, *args: Any, **options: Any) -> str | None:
        with as_owner():
            said: str | None = super().handle(*args, **options)
            if options["database"] == DEFAULT_DB_ALIAS and not (options["check_unapplied"] or options["plan"]):
                with transaction.atomic():
                    secure()
        return said
