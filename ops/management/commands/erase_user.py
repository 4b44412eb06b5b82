import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.staff import COMMAND_LINE
from betting.models import Bet
from core.api.errors import DomainError
from ops.personal_data import erase_user
from staff.selectors import find_user_id

WARNING = """{username} has {credits:,} credits and {bets:,} open bets, which stay with the account.
The person's name, e-mail, sign-ins and sessions are erased for good. Export them first if they are to be kept.
Type the username to go on: """


class Command(BaseCommand):
    help = "Erase a user's personal data, for good. The ledger still balances; nobody can sign in to it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="id, e-mail or username")
        parser.add_argument("--reason", required=True, help="why; it is kept, so it must not name the person")
        parser.add_argument("--yes", action="store_true", help="don't ask")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *_args: Any, user: str, **options: Any) -> None:
        user_id = find_user_id(user)
        if user_id is None:
            raise CommandError(f"There is no user {user}.")
        if not options["yes"]:
            self.confirm(User.objects.get(pk=user_id))
        try:
            erased = erase_user(user_id=user_id, by=COMMAND_LINE, reason=options["reason"], now=timezone.now())
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        result = {"success": True, "userId": str(erased.user_id), "username": erased.username}
        self.stdout.write(json.dumps(result) if options["json"] else f"{erased.user_id} is now {erased.username}.")

    def confirm(self, user: User) -> None:
        if not sys.stdin.isatty():
            raise CommandError("No terminal to confirm at: add --yes.")
        bets = Bet.objects.filter(user=user, status=Bet.Status.PENDING).count()
        typed = input(WARNING.format(username=user.username, credits=user.credit_balance, bets=bets))
        if typed.strip() != user.username:
            raise CommandError("Nothing was erased.")
