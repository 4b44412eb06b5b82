"""Signatures of trades: HMAC-SHA-256 (RFC 2104) with a key of the server, over the trade and the hash before it.

Who changes, removes or reorders rows without the key breaks the chain. `STOCK_SIGNING_KEYS` names the keys: the first
signs, all of them verify, and each row says which one signed it. To rotate, put a new key first and keep the others.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings

FORM = "stock-transaction/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The fields of a trade that its hash covers."""

    id: UUID
    user_id: UUID
    sequence: int
    stock_id: UUID
    type: str
    shares: Decimal
    price_per_share: Decimal
    total_amount: Decimal
    invested: Decimal
    exact_cost: Decimal
    leverage: int
    balance_before: Decimal
    balance_after: Decimal
    created_at: datetime
    key_id: str
    previous_hash: str


def canonical(row: Signed) -> bytes:
    """One text for one trade: a line a field, numbers with all the decimals of their column, time in microseconds."""
    lines = (
        FORM,
        row.key_id,
        row.previous_hash,
        str(row.user_id),
        str(row.sequence),
        str(row.id),
        str(row.stock_id),
        row.type,
        f"{row.shares:.8f}",
        f"{row.price_per_share:.8f}",
        f"{row.total_amount:.2f}",
        f"{row.invested:.2f}",
        f"{row.exact_cost:.16f}",
        str(row.leverage),
        f"{row.balance_before:.2f}",
        f"{row.balance_after:.2f}",
        row.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    )
    return "\n".join(lines).encode()


def current_key_id() -> str:
    """The key that signs now."""
    return next(iter(keys()))


def keys() -> dict[str, str]:
    configured: dict[str, str] = settings.STOCK_SIGNING_KEYS
    return configured


def sign(row: Signed) -> str:
    """64 hexadecimal digits. Raises KeyError for a key that isn't configured."""
    return hmac.digest(keys()[row.key_id].encode(), canonical(row), "sha256").hex()


def is_signature_of(row: Signed, transaction_hash: str) -> bool:
    """False also where the key isn't known."""
    return row.key_id in keys() and hmac.compare_digest(sign(row), transaction_hash)
