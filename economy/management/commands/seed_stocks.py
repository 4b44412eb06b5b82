from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from economy.stocks.catalogue import seed_stocks


class Command(BaseCommand):
    help = "Add the first catalogue of stocks; those that are there stay as they are."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{seed_stocks(now=timezone.now())} stocks added")
