from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.api.errors import DomainError
from devtools.demo_data import create_demo_data
from economy.tasks import audit_ledger
from leaderboard.tasks import update
from staff.tasks import count_days


class Command(BaseCommand):
    help = "Makes a month of users, house markets, bets and payouts, so that pages show something. For development."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A made-up month is for development alone, where DEBUG=true.")
        try:
            bets = create_demo_data(now=timezone.now())
        except DomainError as refusal:
            raise CommandError(f"{refusal} (It can be made once.)") from refusal
        for job in (update, audit_ledger, count_days):
            job()
        self.stdout.write(f"Made {bets} bets; the admin shows them.")
