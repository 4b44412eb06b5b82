"""Building blocks run inside the transaction of a use case, and refuse to run without one."""

from django.db import connection, transaction


def require_transaction(building_block: str) -> None:
    """Raises TransactionManagementError where there is none: half of what the block does must never stay."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(f"{building_block} runs inside the caller's transaction.")
