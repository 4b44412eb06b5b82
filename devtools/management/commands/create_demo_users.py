import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import services
from accounts.services import SignedIn

MOST = 1_000


class Command(BaseCommand):
    help = "Make users for developers of a frontend and print their tokens. For development alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int, help=f"how many, 1 to {MOST}")
        parser.add_argument("--json", action="store_true", help="print one JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Users whose tokens are printed are for development alone, where DEBUG=true.")
        if not 1 <= options["number"] <= MOST:
            raise CommandError(f"The number must be 1 to {MOST}.")
        users = [as_contract(services.create_demo_user(now=timezone.now())) for _ in range(options["number"])]
        if options["json"]:
            self.stdout.write(json.dumps(users))
            return
        for user in users:
            self.stdout.write("\n".join(f"{field}: {value}" for field, value in user.items()) + "\n")


def as_contract(made: SignedIn) -> dict[str, str]:
    names = {"userId": str(made.user.pk), "username": made.user.username}
    return names | {"accessToken": made.tokens.access, "refreshToken": made.tokens.refresh}
