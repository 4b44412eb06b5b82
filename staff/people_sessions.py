"""Of a user's page: where the user is signed in."""

from datetime import datetime

from accounts.models import RefreshToken, User
from staff.core.formatting import DASH, moment_of
from staff.core.pages import Rows

SHOWN = 10
MAX_LETTERS = 60


def sessions(user: User, *, now: datetime) -> Rows:
    """One line a sign-in, by the newest token of its family; the newest first."""
    live = RefreshToken.objects.filter(user=user, revoked_at=None, expires_at__gt=now)
    newest = live.order_by("family", "-created_at").distinct("family").values("pk")
    tokens = RefreshToken.objects.filter(pk__in=newest).order_by("-created_at")
    return Rows(
        title="Signed in",
        columns=("Last refreshed, UTC", "From", "With", "Until, UTC"),
        rows=[
            (
                moment_of(token.created_at),
                token.ip or DASH,
                token.user_agent[:MAX_LETTERS] or DASH,
                moment_of(token.expires_at),
            )
            for token in tokens[:SHOWN]
        ],
        none="Nowhere.",
    )
