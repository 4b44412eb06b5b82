"""The ledger: the only writer of ledger entries and of the users' credit columns (docs/ledger.md)."""

from economy.ledger.posting import (
    Batch,
    MoreOfStatement,
    PostedEntry,
    Transfer,
    change_hold,
    post,
    post_from,
    post_many,
    validate_amount,
)

__all__ = [
    "Batch",
    "MoreOfStatement",
    "PostedEntry",
    "Transfer",
    "change_hold",
    "post",
    "post_from",
    "post_many",
    "validate_amount",
]
