"""Reads of who brought whom; the bonus for it is in `economy.bonuses`."""

from typing import Any
from uuid import UUID

from accounts.models import User
from economy.rules import NEWEST_REFERRED


def newest_referred(user_id: UUID) -> list[dict[str, Any]]:
    """The newest of those who signed up with the user's code, as the contract shows them; paid for or not."""
    referred = User.objects.filter(referred_by_id=user_id).order_by("-created_at", "-pk")
    return [
        {"id": pk, "username": username, "joinedAt": created_at}
        for pk, username, created_at in referred.values_list("pk", "username", "created_at")[:NEWEST_REFERRED]
    ]
