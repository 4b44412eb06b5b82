"""Purchases as the contract shows them."""

from typing import Any

from purchases.models import CreditPurchase


def as_contract(purchase: CreditPurchase) -> dict[str, Any]:
    """`creditsGranted`: what it brought, 0 while unpaid. `checkoutUrl`: where to pay, while that is to be done."""
    is_pending = purchase.status == CreditPurchase.Status.PENDING
    return {
        "id": purchase.pk,
        "packageId": purchase.package_id,
        "creditsGranted": purchase.credits if purchase.completed_at else 0,
        "usdAmount": purchase.usd_amount,
        "status": purchase.status,
        "provider": purchase.provider,
        "externalId": purchase.external_id,
        "checkoutUrl": (purchase.checkout_url or None) if is_pending else None,
        "createdAt": purchase.created_at,
    }
