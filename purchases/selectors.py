from uuid import UUID

from purchases.models import CreditPurchase

LIST_LIMIT = 200


def list_purchases(user_id: UUID) -> list[CreditPurchase]:
    """The newest of the user's purchases, newest first, in one statement."""
    return list(CreditPurchase.objects.filter(user_id=user_id).order_by("-created_at", "-pk")[:LIST_LIMIT])
