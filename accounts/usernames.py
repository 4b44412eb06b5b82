"""Refuse usernames that aren't free: reserved, look-alikes of these, or given up by somebody else lately."""

import re
from datetime import datetime

from accounts import rules
from accounts.errors import UsernameReserved, UsernameTaken
from accounts.models import FormerUsername, User
from core.db.transactions import require_transaction

# Characters that pass for another, and `rn`, which passes for an m. `1`, `l` and `i` all pass for each other.
LOOK_ALIKES = str.maketrans("013456789l", "oieasgtbgi")


def skeleton(username: str) -> str:
    """Return what is alike of all usernames that look like this one: `_4dm1n_` and `adrnin` are both `admin`'s."""
    return re.sub("_", "", username.lower()).replace("rn", "m").replace("vv", "w").translate(LOOK_ALIKES)


def require_unreserved(username: str) -> None:
    """Raise UsernameReserved for a name that could be taken for the service's own, or that has a refused word."""
    shape = skeleton(username)
    if shape in map(skeleton, rules.RESERVED_USERNAMES):
        raise UsernameReserved
    if any(word in shape for word in map(skeleton, rules.REFUSED_USERNAME_WORDS)):
        raise UsernameReserved


def require_not_held(user: User, *, now: datetime) -> None:
    """Raise UsernameTaken where another user gave up the username of this one less than USERNAME_HELD_FOR ago.

    To be called once the user's row has the name: whoever gives it up at the same moment has committed by then, for the
    unique index has waited for them. A name of the user's own is theirs again, and isn't held any more.
    """
    require_transaction("require_not_held")
    held = FormerUsername.objects.filter(username=user.username.lower())
    if held.filter(held_until__gt=now).exclude(user=user).exists():
        raise UsernameTaken
    held.delete()


def hold(username: str, *, user: User, now: datetime) -> None:
    """Hold a username that the user has given up, for them alone."""
    FormerUsername.objects.update_or_create(
        username=username.lower(), defaults={"user": user, "held_until": now + rules.USERNAME_HELD_FOR}
    )


def purge(*, now: datetime) -> int:
    """Delete what isn't held any more; return how many."""
    deleted, _ = FormerUsername.objects.filter(held_until__lte=now).delete()
    return deleted
