"""Are the trades those that were signed, in their order? Read in one pass, a user's chain after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from economy.stocks.signing import is_signature_of
from economy.stocks.trading import COLUMNS, Booked

CHUNK = 5_000
AFTER = f"""
SELECT {", ".join(COLUMNS)} FROM stock_transactions
WHERE (user_id, sequence) > (%(user_id)s, %(sequence)s) ORDER BY user_id, sequence LIMIT %(limit)s
"""  # noqa: S608 - the columns of the table
NOBODY = UUID(int=0)


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
    """All rows of all users; call it in one snapshot (`economy.ledger.audit.snapshot`)."""
    examined, breaches = 0, []
    for _, chain in groupby(rows(), key=lambda row: row.user_id):
        length, found = verify_chain(chain)
        examined += length
        breaches += found
    return Verification(examined, breaches)


def verify_chain(chain: Iterable[Booked]) -> tuple[int, list[Breach]]:
    """How many rows it has, and what is wrong with them."""
    length, sequence, last_hash = 0, 0, ""
    found: list[Breach] = []
    for row in chain:
        length += 1
        reason = fault(row, sequence + 1, last_hash)
        if reason:
            found.append(Breach(row.id, row.user_id, row.sequence, reason))
        sequence, last_hash = row.sequence, row.transaction_hash
    return length, found


def fault(row: Booked, sequence: int, last_hash: str) -> str:
    if not is_signature_of(row, row.transaction_hash):
        return "signature"
    if row.sequence != sequence:
        return "sequence"
    return "" if row.previous_hash == last_hash else "previous_hash"


def rows() -> Iterator[Booked]:
    place: dict[str, Any] = {"user_id": NOBODY, "sequence": 0, "limit": CHUNK}
    while True:
        with connection.cursor() as cursor:
            cursor.execute(AFTER, place)
            chunk = [Booked(**dict(zip(COLUMNS, row, strict=True))) for row in cursor.fetchall()]
        yield from chunk
        if len(chunk) < CHUNK:
            return
        place |= {"user_id": chunk[-1].user_id, "sequence": chunk[-1].sequence}
