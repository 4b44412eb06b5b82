"""The ledger: the only writer of ledger entries and of the users' credit columns (docs/ledger.md)."""

from economy.ledger.posting import (
    AlreadyPosted,
    Batch,
    InsufficientCredits,
    Posted,
    Transfer,
    UnknownUser,
    change_hold,
    check_amount,
    post,
    post_from,
    post_many,
)

__all__ = [
    "AlreadyPosted",
    "Batch",
    "InsufficientCredits",
    "Posted",
    "Transfer",
    "UnknownUser",
    "change_hold",
    "check_amount",
    "post",
    "post_from",
    "post_many",
]
