"""Tell the processes that serve streams that something of users has changed: what, they read from the rows."""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction

from accounts import rules
from core.pubsub import publish

USERS_TOPIC = "users"
ALL = {"all": True}


def publish_users(user_ids: Iterable[UUID]) -> None:
    """Publish, once the current transaction is committed, that credits, bets, notifications or sessions changed.

    Messages: `{userId}`, or `{all: true}` where there are too many.
    """
    changed = set(user_ids)
    messages = [ALL] if len(changed) > rules.USERS_PUBLISHED_SINGLY else [{"userId": user_id} for user_id in changed]
    if messages:
        transaction.on_commit(partial(publish, USERS_TOPIC, messages), robust=True)


def publish_all_users() -> None:
    """Publish, once the current transaction is committed, that users changed whom nobody has named."""
    transaction.on_commit(partial(publish, USERS_TOPIC, [ALL]), robust=True)
