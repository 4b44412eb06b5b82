"""Signatures of trades: HMAC-SHA-256 (RFC 2104) with a key of the server, over the trade and the hash before it.

Who changes, removes or reorders rows without the key breaks the chain. `STOCK_SIGNING_KEYS` names the keys: the first
signs, all of them verify, and each row says which one signed it. To rotate, put a new key first and keep the others.
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings

from core.db.sql import fetch_all
from economy.ledger.audit import EXAMPLES, Finding

FORM = "stock-transaction/1"
CHUNK = 5_000
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedTrade:
    """A trade as a row of stock_transactions, without its hash: what the hash covers."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTrade(UnsignedTrade):
    """A row of stock_transactions."""

    transaction_hash: str


COLUMNS = [field.name for field in fields(SignedTrade)]
AFTER = f"""
SELECT {", ".join(COLUMNS)} FROM stock_transactions
WHERE (user_id, sequence) > (%(user_id)s, %(sequence)s) ORDER BY user_id, sequence LIMIT %(limit)s
"""  # noqa: S608 - the columns of the table


def canonical(trade: UnsignedTrade) -> bytes:
    """Return one text for one trade: a line a field, with all decimals of the column, the time in microseconds."""
    lines = (
        FORM,
        trade.key_id,
        trade.previous_hash,
        str(trade.user_id),
        str(trade.sequence),
        str(trade.id),
        str(trade.stock_id),
        trade.type,
        f"{trade.shares:.8f}",
        f"{trade.price_per_share:.8f}",
        f"{trade.total_amount:.2f}",
        f"{trade.invested:.2f}",
        f"{trade.exact_cost:.16f}",
        str(trade.leverage),
        f"{trade.balance_before:.2f}",
        f"{trade.balance_after:.2f}",
        trade.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    )
    return "\n".join(lines).encode()


def current_key_id() -> str:
    """Return the id of the key that signs now."""
    return next(iter(signing_keys()))


def signing_keys() -> dict[str, str]:
    configured: dict[str, str] = settings.STOCK_SIGNING_KEYS
    return configured


def sign_trade(trade: UnsignedTrade) -> str:
    """Return 64 hexadecimal digits. Raises KeyError for a key that isn't configured."""
    return hmac.digest(signing_keys()[trade.key_id].encode(), canonical(trade), "sha256").hex()


def is_signature_of(trade: UnsignedTrade, transaction_hash: str) -> bool:
    """Return whether the hash is the trade's; False also where the key isn't known."""
    return trade.key_id in signing_keys() and hmac.compare_digest(sign_trade(trade), transaction_hash)


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that isn't what was signed, or doesn't follow the one before."""

    transaction_id: UUID
    user_id: UUID
    sequence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    examined: int
    breaches: list[Breach]


def verify_stock_transactions() -> Verification:
    """Verify all rows of all users; call it in one snapshot (`economy.ledger.audit.snapshot`)."""
    examined, breaches = 0, []
    for _, chain in groupby(read_trades(), key=lambda row: row.user_id):
        length, found = verify_chain(chain)
        examined += length
        breaches += found
    return Verification(examined, breaches)


def verify_chain(chain: Iterable[SignedTrade]) -> tuple[int, list[Breach]]:
    """Return how many rows a user's chain has, and what is wrong with them."""
    length, sequence, last_hash = 0, 0, ""
    found: list[Breach] = []
    for row in chain:
        length += 1
        reason = find_fault(row, sequence + 1, last_hash)
        if reason:
            found.append(Breach(row.id, row.user_id, row.sequence, reason))
        sequence, last_hash = row.sequence, row.transaction_hash
    return length, found


def find_fault(row: SignedTrade, sequence: int, last_hash: str) -> str:
    """Return which field of the row isn't what it must be; an empty text where all is well."""
    if not is_signature_of(row, row.transaction_hash):
        return "signature"
    if row.sequence != sequence:
        return "sequence"
    return "" if row.previous_hash == last_hash else "previous_hash"


def read_trades() -> Iterator[SignedTrade]:
    """Yield all trades, a user's chain after the other, each in its order."""
    place: dict[str, Any] = {"user_id": NOBODY, "sequence": 0, "limit": CHUNK}
    while True:
        chunk = [SignedTrade(**dict(zip(COLUMNS, row, strict=True))) for row in fetch_all(AFTER, place)]
        yield from chunk
        if len(chunk) < CHUNK:
            return
        place |= {"user_id": chunk[-1].user_id, "sequence": chunk[-1].sequence}


def find_forgeries() -> Finding:
    """Return what the audit found of signatures; runs inside its snapshot."""
    verified = verify_stock_transactions()
    ids = [str(breach.transaction_id) for breach in verified.breaches]
    return Finding(verified.examined, len(ids), ids[:EXAMPLES])
