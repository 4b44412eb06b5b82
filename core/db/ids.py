"""Primary keys: UUIDv7 (RFC 9562), so that new rows go to the right-hand end of the index."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()
