"""Entries between two counterparty accounts: what the house puts into escrow for its markets, and gets back."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.db.sql import execute, fetch_value
from core.db.transactions import require_transaction
from economy.ledger.posting import validate_amount
from economy.models import HouseEntry

# A trigger numbers and chains it. The caller holds the market, so nobody else counts its entries meanwhile.
INSERT_ENTRY = """
INSERT INTO house_entries (amount, entry_type, reference_id, occurrence, created_at)
SELECT %(amount)s, %(entry_type)s::text, %(reference_id)s, count(*), %(now)s
FROM house_entries WHERE reference_id = %(reference_id)s AND entry_type = %(entry_type)s::text
"""
IN_ESCROW = "SELECT coalesce(sum(amount), 0) FROM house_entries WHERE reference_id = %(reference_id)s"
RETURNED = """
SELECT coalesce(-sum(amount), 0) FROM house_entries
WHERE reference_id = %(reference_id)s AND entry_type IN ('subsidy_return', 'subsidy_reversal')
"""


def post_subsidy(*, market_id: UUID, amount: Decimal, now: datetime) -> None:
    """Move credits of the house into escrow, for a market that is locked or new."""
    post(HouseEntry.Type.SUBSIDY, market_id, amount, now)


def post_subsidy_return(*, market_id: UUID, amount: Decimal, now: datetime) -> None:
    """Move what is left in escrow of a settled market, which is locked, to the house."""
    post(HouseEntry.Type.SUBSIDY_RETURN, market_id, -amount, now)


def post_subsidy_reversal(*, market_id: UUID, now: datetime) -> None:
    """Move what the house got back of a market, which is locked, into escrow again."""
    if returned := fetch_value(RETURNED, {"reference_id": market_id}):
        post(HouseEntry.Type.SUBSIDY_REVERSAL, market_id, returned, now)


def subsidy_in_escrow(market_id: UUID) -> Decimal:
    """Return what the house has in escrow for the market: its subsidy, less what it got back."""
    return Decimal(fetch_value(IN_ESCROW, {"reference_id": market_id}))


def post(entry_type: HouseEntry.Type, market_id: UUID, amount: Decimal, now: datetime) -> None:
    require_transaction("The ledger")
    validate_amount(amount)
    entry = {"entry_type": str(entry_type), "reference_id": market_id, "amount": amount, "now": now}
    execute(INSERT_ENTRY, entry)
