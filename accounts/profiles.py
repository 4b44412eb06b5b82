"""User profiles: change one's own, and show everybody's ranks, which a higher app supplies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.registration import as_domain_error


class ProfileChanges(TypedDict, total=False):
    """Validated values, by column."""

    name: str
    username: str
    avatar_url: str
    bio: str


def update_profile(*, user_id: UUID, changes: ProfileChanges) -> User:
    """Change a user's profile and return the user. Raises UsernameTaken."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        for field, value in changes.items():
            setattr(user, field, value)
        try:
            user.save(update_fields=[*changes])
        except IntegrityError as exc:
            raise as_domain_error(exc) from exc
        return user


@dataclass(frozen=True, slots=True)
class Ranks:
    """A user's ranks, from 1 on; None where a user isn't ranked."""

    by_pnl: int | None = None
    by_volume: int | None = None


RankSource = Callable[[UUID], Ranks]


def unranked(user_id: UUID) -> Ranks:
    """Return no ranks: the source as long as no app has registered its own."""
    return Ranks()


RANK_SOURCES: list[RankSource] = [unranked]


def register_rank_source(source: RankSource) -> None:
    """Take users' ranks from `source` from now on."""
    RANK_SOURCES[:] = [source]


def ranks_of(user_id: UUID) -> Ranks:
    """Return the ranks of a user as the registered source knows them."""
    (source,) = RANK_SOURCES
    return source(user_id)
