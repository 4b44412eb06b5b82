import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting.management import report_refusal
from betting.reversal import Reversal, ReversalPreview, preview_reversal, reverse_settlement
from core.api.errors import DomainError
from core.api.json import dumps

TAKING = ("userId", "username", "bets", "taken", "available", "debt")


class Command(BaseCommand):
    help = (
        "Undoes the settlement of a market that was resolved wrongly: what was paid is taken back, its bets are open "
        "again, and it is closed until it is resolved anew. Exits 1 when that can't be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", type=UUID, help="the market's id")
        parser.add_argument("--reason", default="", help="kept with the market; needed unless it is a preview")
        parser.add_argument("--preview", action="store_true", help="only say what it would take, and from whom")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["preview"]:
            self.show(preview_reversal(market_id=options["market"]), as_json=options["json"])
            return
        if not options["reason"].strip():
            raise CommandError("--reason is needed: it is kept with the market.")
        try:
            done = reverse_settlement(
                market_id=options["market"], by=COMMAND_LINE, reason=options["reason"], now=timezone.now()
            )
        except DomainError as exc:
            report_refusal(self, exc, as_json=options["json"])
            sys.exit(1)
        self.report(done, as_json=options["json"])

    def show(self, preview: ReversalPreview, *, as_json: bool) -> None:
        if as_json:
            takings = [dict(zip(TAKING, taking, strict=True)) for taking in preview.takings]
            self.stdout.write(dumps({"success": True, "data": asdict(preview) | {"takings": takings}}).decode())
            return
        self.stdout.write(
            f"{preview.bets:,} bets of {preview.users:,} users: {preview.taken:,} would be taken back, "
            f"{preview.debt:,} of it owed by {preview.debtors:,} who haven't got it any more."
        )
        for taking in preview.takings:
            self.stdout.write(f"{taking.username}: {taking.taken:,}, of which owed {taking.debt:,}")

    def report(self, done: Reversal, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(dumps({"success": True, "data": asdict(done)}).decode())
            return
        self.stdout.write(
            f"{done.bets:,} bets of {done.users:,} users are open again; {done.taken:,} were taken back, "
            f"{done.debt:,} of it is owed now."
        )
