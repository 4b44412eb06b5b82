import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from core.api.errors import DomainError
from core.api.json import dumps
from purchases.models import CreditPurchase
from purchases.services import refund_purchase


class Command(BaseCommand):
    help = (
        "Take back the credits of a completed purchase; what is spent becomes a debt. The money is given back at the "
        "provider. Exits 1 when that can't be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("purchase", type=UUID, help="the purchase's id")
        parser.add_argument("--reason", required=True, help="kept with the purchase and with the staff action")
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            purchase = refund_purchase(
                purchase_id=options["purchase"], by=COMMAND_LINE, reason=options["reason"], now=timezone.now()
            )
        except DomainError as exc:
            self.refuse(exc, as_json=options["json"])
            sys.exit(1)
        self.report(purchase, as_json=options["json"])

    def refuse(self, exc: DomainError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"success": False, "error": str(exc), "code": exc.code}))
        else:
            self.stderr.write(f"Failed: {exc}")

    def report(self, purchase: CreditPurchase, *, as_json: bool) -> None:
        if as_json:
            data = {
                "purchaseId": purchase.pk,
                "userId": purchase.user_id,
                "status": purchase.status,
                "creditsTakenBack": purchase.credits,
                "provider": purchase.provider,
                "externalId": purchase.external_id,
                "refundedAt": purchase.refunded_at,
            }
            self.stdout.write(dumps({"success": True, "data": data}).decode())
            return
        self.stdout.write(f"Refunded: {purchase.credits:,} credits of {purchase.user_id}")
