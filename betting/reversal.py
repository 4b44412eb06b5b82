"""Reversal: undoing the settlement of a market that was resolved wrongly, as staff decide, and its preview.

What was paid is taken back, all in one transaction: it is rare, and nobody must see half of it. Where a user hasn't
enough left, the house lends the rest, so that no balance is ever negative; later credits repay it (docs/ledger.md).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from betting.rules import PREVIEW_LIMIT
from betting.settlement import describe_market, lock_ended_market
from core.db.sql import execute, fetch_all
from core.db.transactions import run_transaction
from core.events import log_event, short
from economy import ledger
from economy.ledger.house import post_subsidy_reversal
from markets.models import Market
from markets.resolution.staff import market_state, reopen_for_reversal
from notifications.services import notify_from

SETTLED = "market_id = %(market_id)s AND status IN ('won', 'lost', 'cancelled')"
# In the order of ids, as everywhere.
LOCK_USERS = f"""
SELECT id FROM users WHERE id IN (SELECT user_id FROM bets WHERE {SETTLED}) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants of this module
# What a user can't return of a bet's payout, the bets taken one after the other.
TAKEN = f"""
SELECT id, user_id, payout, stake, occurrence, available_credits,
    greatest(0, least(payout, so_far - available_credits)) AS missing
FROM (
    SELECT bets.id, user_id, actual_payout AS payout, amount - sold_amount AS stake,
        settlement_count - 1 AS occurrence, available_credits,
        sum(actual_payout) OVER (PARTITION BY user_id ORDER BY bets.id) AS so_far
    FROM bets JOIN users ON users.id = user_id WHERE {SETTLED}
) AS settled
"""  # noqa: S608 - constants of this module
# The house lends what is missing, then the payout goes back, and the stake is locked again.
TRANSFERS = f"""
WITH taken AS MATERIALIZED ({TAKEN})
SELECT row_number() OVER (ORDER BY id, turn) AS place, user_id, amount, 'settlement_reversal' AS transaction_type,
    counterparty, id AS reference_id, occurrence, staked, description
FROM (
    SELECT id, 0 AS turn, user_id, missing AS amount, 'house' AS counterparty, coalesce((
        SELECT entries FROM debts WHERE reference_id = taken.id AND transaction_type = 'settlement_reversal'
    ), 0) AS occurrence, 0::numeric AS staked, 'Lent for a settlement undone' AS description
    FROM taken WHERE missing > 0
    UNION ALL
    SELECT id, 1, user_id, -payout, 'escrow', occurrence, stake, 'Settlement undone' FROM taken
) AS transfers
"""  # noqa: S608 - constants of this module
# Each settlement of a bet that is undone; counted as in the ledger. The bets aren't reopened yet.
NOTIFICATIONS = f"""
SELECT user_id, 'settlement_reversed' AS type, id AS reference_id, settlement_count - 1 AS occurrence,
    %(about)s::jsonb || jsonb_build_object(
        'betId', id, 'stake', amount - sold_amount, 'payout', actual_payout
    ) AS data
FROM bets WHERE {SETTLED}
"""  # noqa: S608 - constants of this module
REOPEN_BETS = f"""
WITH cleared AS (DELETE FROM settlement_failures WHERE market_id = %(market_id)s)
UPDATE bets SET status = 'pending', actual_payout = NULL, resolved_at = NULL WHERE {SETTLED}
"""  # noqa: S608 - constants of this module
RECORD_REVERSAL = """
UPDATE settlements SET reversed_at = %(now)s, reversed_by_id = %(staff_id)s, reversal_reason = %(reason)s
WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""

# By user, those who would owe most first.
PREVIEW_TAKINGS = f"""
SELECT user_id, username, bets, taken, available, missing FROM (
    SELECT user_id, count(*) AS bets, sum(payout) AS taken, max(available_credits) AS available, sum(missing) AS missing
    FROM ({TAKEN}) AS bets GROUP BY user_id
) AS totals JOIN users ON users.id = user_id
WHERE taken > 0 ORDER BY missing DESC, taken DESC, user_id LIMIT %(limit)s
"""  # noqa: S608 - constants of this module
PREVIEW_TOTALS = f"""
SELECT count(*), count(DISTINCT user_id), coalesce(sum(payout), 0), coalesce(sum(missing), 0),
    count(DISTINCT user_id) FILTER (WHERE missing > 0)
FROM ({TAKEN}) AS bets
"""  # noqa: S608 - constants of this module


class Taking(NamedTuple):
    """What a reversal takes from a user, in credits; `debt` is what the user hasn't got."""

    user_id: UUID
    username: str
    bets: int
    taken: Decimal
    available: Decimal
    debt: Decimal


@dataclass(frozen=True, slots=True)
class ReversalPreview:
    """What a reversal would do now. `takings`: those who would owe most first, up to PREVIEW_LIMIT."""

    bets: int
    users: int
    taken: Decimal
    debt: Decimal
    debtors: int
    takings: list[Taking]


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a reversal did: bets that are open again, and credits taken for them; `debt` of these is owed now."""

    bets: int
    users: int
    taken: Decimal
    debt: Decimal


def preview_reversal(*, market_id: UUID) -> ReversalPreview:
    """Return what a reversal would take now, for staff before they confirm. Nothing is locked."""
    facts = {"market_id": market_id, "limit": PREVIEW_LIMIT}
    ((bets, users, taken, debt, debtors),) = fetch_all(PREVIEW_TOTALS, facts)
    return ReversalPreview(
        bets, users, taken, debt, debtors, [Taking(*row) for row in fetch_all(PREVIEW_TAKINGS, facts)]
    )


def reverse_settlement(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Reversal:
    """Take back what was paid, make the bets pending again, and close the market until it is resolved anew.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, MarketNotOver.
    """
    by.require(Permission.REVERSE_MARKETS)
    reason = validate_reason(reason)

    def act() -> Reversal:
        lock_ended_market(market_id)
        before = market_state(Market.objects.only("status", "resolution").get(pk=market_id))
        market = reopen_for_reversal(market_id=market_id, by=by, reason=reason, now=now)
        done = take_back({"market_id": market_id, "staff_id": by.user and by.user.pk, "reason": reason, "now": now})
        after = {**market_state(market), "bets": done.bets, "users": done.users, "taken": done.taken, "debt": done.debt}
        record_action("reverse_market", by=by, target=market, reason=reason, before=before, after=after, now=now)
        log_event("the settlement of market %s was undone: %s bets", short(market.title), done.bets, marketId=market_id)
        return done

    return run_transaction(act)


def take_back(facts: dict[str, Any]) -> Reversal:
    """Lock the users, then move the credits and reopen the bets. The market is locked."""
    fetch_all(LOCK_USERS, facts)
    ((bets, users, taken, debt, _),) = fetch_all(PREVIEW_TOTALS, facts)
    ledger.post_from(TRANSFERS, parameters=facts, now=facts["now"])
    about = describe_market(facts["market_id"])
    notify_from(NOTIFICATIONS, parameters={**facts, "about": about}, now=facts["now"])
    execute(REOPEN_BETS, facts)
    post_subsidy_reversal(market_id=facts["market_id"], now=facts["now"])
    execute(RECORD_REVERSAL, facts)
    return Reversal(bets, users, taken, debt)
