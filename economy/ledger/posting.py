"""Posting: the only writer of ledger entries and of the users' credit columns.

A transfer says who, how much, why, and how it changes the user's stakes; the rest follows in SQL, in the same
statement as the ledger entry: balance, locked and expended credits, volume, realized profit, referral credits. All of
it runs inside the caller's transaction, and a refusal is an exception: the caller's transaction has to roll back.
Who has debts with the house (docs/ledger.md) repays them right after any credit, before its function returns.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from accounts.changes import publish_all_users, publish_users
from core.db.sql import Row, execute, fetch_all, fetch_one, fetch_value
from core.db.transactions import require_transaction
from economy.errors import AlreadyPosted, InsufficientCredits, UnknownUser
from economy.models import DIRECTIONS, Counterparty, TransactionType
from notifications.services import COUNT_NOTIFICATIONS, USER_COLUMNS, WRITE_NOTIFICATIONS

CENT = Decimal("0.01")
ZERO = Decimal(0)
STAKE_ACCOUNTS = (Counterparty.ESCROW, Counterparty.STOCKS)
# Constraints whose breach has an error of its own.
INSUFFICIENT_CONSTRAINTS = (
    "users_balance_not_negative",
    "users_available_not_negative",
    "users_held_not_negative",
    "credit_transactions_balance_not_negative",
)
REPEATED_CONSTRAINTS = ("credit_transactions_once", "credit_transactions_settled_once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Credits that move between a user and a counterparty account.

    `amount`, in credits: positive to the user, negative from the user; at most 2 decimals.
    `staked`: the change of the user's stakes, with bets (counterparty escrow) or in stocks. A bet of 100 is
    `amount=-100, staked=100`; its payout of 180 is `amount=180, staked=-100`. Realized profit is the sum of the two.
    An `amount` of 0 makes no entry: a lost bet is `amount=0, staked=-100`.
    `reference_id`: the bet, purchase, reward, trade or user it is about. `occurrence`: see docs/ledger.md.
    Raises TypeError for what isn't a Decimal, ValueError for what isn't a number of whole cents.
    """

    user_id: UUID
    amount: Decimal
    transaction_type: TransactionType
    reference_id: UUID
    counterparty: Counterparty | None = None  # None: the type's own
    staked: Decimal = ZERO
    occurrence: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        validate_amount(self.amount)
        validate_amount(self.staked)
        if self.staked and self.counterparty_account not in STAKE_ACCOUNTS:
            raise ValueError("Only bets and stocks take a stake.")

    @property
    def counterparty_account(self) -> Counterparty:
        return self.counterparty or next(iter(DIRECTIONS[self.transaction_type]))


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """A ledger entry as it was posted; the user's last `balance_after` is less what was repaid of debts."""

    id: UUID
    user_id: UUID
    sequence: int
    balance_after: Decimal


@dataclass(frozen=True, slots=True)
class Batch:
    """What a set-based post moved: entries posted, users touched, and the sum of the amounts."""

    transfers: int
    users: int
    amount: Decimal


# Each column's change by a transfer, said once for one transfer as for many; docs/ledger.md has them in words, and the
# audit derives them from the ledger's entries.
EFFECTS = {
    "credit_balance": "amount",
    "journal_length": "CASE WHEN amount <> 0 THEN 1 ELSE 0 END",
    "locked_credits": "CASE WHEN counterparty = 'escrow' THEN staked ELSE 0 END",
    "expended_credits": "CASE WHEN transaction_type IN ('bet_placed', 'stock_purchase') THEN -amount ELSE 0 END",
    "total_volume": "CASE WHEN transaction_type = 'bet_placed' THEN -amount ELSE 0 END",
    "overall_pnl": "CASE WHEN counterparty IN ('escrow', 'stocks') THEN amount + staked ELSE 0 END",
    "referral_credits_earned": "CASE WHEN transaction_type = 'referral_bonus' THEN amount ELSE 0 END",
}
CHANGED = ", ".join(f"{column} = users.{column} + change.{column}" for column in EFFECTS)
OF_ONE = ", ".join(f"{effect} AS {column}" for column, effect in EFFECTS.items())
OF_MANY = ", ".join(f"sum({effect}) AS {column}" for column, effect in EFFECTS.items())
# Who gets credits and has debts, repays; a loan isn't repaid from itself. There are hardly ever debts.
OWES = """amount > 0 AND counterparty <> 'house'
AND {user} IN (SELECT debts.user_id FROM debts WHERE debts.repaid < debts.lent)"""
OWES_OF_ONE, OWES_OF_MANY = OWES.format(user="moved.user_id"), OWES.format(user="user_id")
# What an entry's hash covers besides the hash before it: docs/ledger.md has the recipe.
CONTENT = """ledger_content(
    {sequence}, {id}, amount::numeric, ({balance_after})::numeric, transaction_type, counterparty, reference_id,
    occurrence, {created_at}, description
)"""
CONTENT_OF_ONE = CONTENT.format(
    sequence="users.journal_length + 1",
    id="change.id",
    balance_after="users.credit_balance + amount",
    created_at="%(ledger_now)s::timestamptz",
)
CONTENT_OF_MANY = CONTENT.format(
    sequence="sequence", id="id", balance_after="balance_after", created_at="%(ledger_now)s::timestamptz"
)
INSERT_ENTRIES = """
INSERT INTO credit_transactions (
    id, user_id, sequence, amount, balance_after,
    transaction_type, counterparty, reference_id, occurrence, description, created_at, hash
)
"""

# In READ COMMITTED the UPDATE waits for the row, then judges its newest version.
POST = f"""
WITH transfer AS (
    SELECT new_id() AS id, %(ledger_user_id)s::uuid AS user_id, %(ledger_amount)s::numeric AS amount,
        %(ledger_transaction_type)s::text AS transaction_type, %(ledger_counterparty)s::text AS counterparty,
        %(ledger_reference_id)s::uuid AS reference_id, %(ledger_occurrence)s::integer AS occurrence,
        %(ledger_staked)s::numeric AS staked, %(ledger_description)s::text AS description,
        %(ledger_now)s::timestamptz AS created_at
), moved AS (
    UPDATE users SET {CHANGED}, ledger_head = ledger_hash(users.ledger_head, users.id, {CONTENT_OF_ONE})
    FROM (SELECT transfer.*, {OF_ONE} FROM transfer) AS change
    WHERE users.id = change.user_id AND (amount > 0 OR users.credit_balance - users.held_credits + amount >= 0)
    RETURNING users.id AS user_id, users.credit_balance AS balance_after, users.journal_length AS sequence,
        users.ledger_head AS hash, %(ledger_now)s::timestamptz AS now
), written AS (
    {INSERT_ENTRIES}
    SELECT id, user_id, sequence, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, description, created_at, hash
    FROM moved JOIN transfer USING (user_id)
    RETURNING id
){{also}}
SELECT written.id, moved.user_id, moved.sequence, moved.balance_after, {OWES_OF_ONE}
FROM moved, written, transfer
"""  # noqa: S608 - constants of this module
USER_EXISTS = "SELECT 1 FROM users WHERE id = %(ledger_user_id)s"

# Whose rows are locked, in the order of ids: those whom the transfers name, unless the caller says whom.
LOCK_NAMED_USERS = f"""
SELECT id, credit_balance, held_credits, journal_length, ledger_head, {USER_COLUMNS} FROM users
WHERE id IN (SELECT user_id FROM transfers) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants
TRANSFERS = """
transfers AS MATERIALIZED (
    SELECT place, user_id, amount, transaction_type, counterparty, reference_id, occurrence, staked, description
    FROM ({source}) AS source
)
"""
LOCKED_USERS = "locked AS MATERIALIZED ({users})"
# Running balances, sequence numbers and hashes from what was locked. `begin` makes `transfers` and `locked`.
POST_MANY = f"""
WITH {{begin}}, running AS MATERIALIZED (
    SELECT placed.*, ledger_chain(ledger_head, user_id, {CONTENT_OF_MANY}) FILTER (WHERE amount <> 0) OVER history
        AS hash, lead(place) OVER history IS NULL AS is_last
    FROM (
        SELECT new_id() AS id, transfers.*, held_credits, ledger_head,
            credit_balance + sum(amount) OVER history AS balance_after,
            journal_length + count(*) FILTER (WHERE amount <> 0) OVER history AS sequence, count(*) OVER history AS turn
        FROM transfers LEFT JOIN locked ON locked.id = user_id
        WINDOW history AS (PARTITION BY user_id ORDER BY place ROWS UNBOUNDED PRECEDING)
    ) AS placed
    WINDOW history AS (PARTITION BY user_id ORDER BY place ROWS UNBOUNDED PRECEDING)
){{notified}}, moved AS (
    UPDATE users SET {CHANGED}, ledger_head = coalesce(change.ledger_head, users.ledger_head){{columns}}
    FROM (
        SELECT user_id, {OF_MANY}, (array_agg(hash) FILTER (WHERE is_last))[1] AS ledger_head
        FROM running GROUP BY user_id
    ) AS change{{told}}
    WHERE users.id = change.user_id
), written AS (
    {INSERT_ENTRIES}
    SELECT id, user_id, sequence, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, description, %(ledger_now)s, hash
    FROM running WHERE amount <> 0 AND balance_after IS NOT NULL
){{also}}
{{result}}
"""  # noqa: S608 - constants of this module
FROM_ARRAYS = """
SELECT * FROM unnest(
    %(ledger_user_id)s::uuid[], %(ledger_amount)s::numeric[], %(ledger_transaction_type)s::text[],
    %(ledger_counterparty)s::text[], %(ledger_reference_id)s::uuid[], %(ledger_occurrence)s::integer[],
    %(ledger_staked)s::numeric[], %(ledger_description)s::text[]
) WITH ORDINALITY AS given (
    user_id, amount, transaction_type, counterparty, reference_id, occurrence, staked, description, place
)
"""
IS_SHORT = "amount < 0 AND balance_after < held_credits"
ENTRIES = f"SELECT id, user_id, sequence, balance_after, {IS_SHORT}, {OWES_OF_MANY} FROM running ORDER BY place"  # noqa: S608
SUMMARY = f"""
SELECT count(*) FILTER (WHERE amount <> 0), count(DISTINCT user_id), coalesce(sum(amount), 0),
    count(*) FILTER (WHERE balance_after IS NULL),
    count(*) FILTER (WHERE {IS_SHORT}),
    count(*) FILTER (WHERE pg_typeof(amount) <> 'numeric'::regtype OR pg_typeof(staked) <> 'numeric'::regtype
        OR amount <> round(amount::numeric, 2) OR staked <> round(staked::numeric, 2)
        OR (staked <> 0 AND counterparty NOT IN ('escrow', 'stocks'))),
    array_agg(DISTINCT user_id) FILTER (WHERE {OWES_OF_MANY})
FROM running
"""  # noqa: S608 - constants of this module
# The oldest debts first, from what is available. The users are locked: they have just been paid.
REPAYMENTS = """
SELECT row_number() OVER (ORDER BY created_at, reference_id) AS place, user_id, -due AS amount, transaction_type,
    'house' AS counterparty, reference_id, entries AS occurrence, 0::numeric AS staked, 'Debt repaid' AS description
FROM (
    SELECT debts.*, least(lent - repaid, users.available_credits - coalesce(sum(lent - repaid) OVER older, 0)) AS due
    FROM debts JOIN users ON users.id = debts.user_id
    WHERE debts.user_id = ANY(%(debtors)s::uuid[]) AND repaid < lent
    WINDOW older AS (
        PARTITION BY user_id ORDER BY debts.created_at, reference_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
) AS debt WHERE due > 0
"""
REPAID_BY_USER = "SELECT user_id, -sum(amount) FROM running GROUP BY user_id"
CHANGE_HOLD = """
UPDATE users SET held_credits = held_credits + %(ledger_change)s WHERE id = %(ledger_user_id)s
RETURNING id IN (SELECT debts.user_id FROM debts WHERE debts.repaid < debts.lent)
"""

# From `audit_expected`, for users whose entries are whole.
REBUILD_COLUMNS = """
UPDATE users SET credit_balance = expected.credit_balance, journal_length = expected.journal_length,
    locked_credits = expected.locked_credits, expended_credits = expected.expended_credits,
    total_volume = expected.total_volume, overall_pnl = expected.overall_pnl,
    referral_credits_earned = expected.referral_credits_earned
FROM audit_expected AS expected
WHERE users.id = expected.user_id AND expected.whole AND
    (users.credit_balance, users.journal_length, users.locked_credits, users.expended_credits, users.total_volume,
        users.overall_pnl, users.referral_credits_earned)
    IS DISTINCT FROM (expected.credit_balance, expected.journal_length, expected.locked_credits,
        expected.expended_credits, expected.total_volume, expected.overall_pnl, expected.referral_credits_earned)
"""


def post(
    transfer: Transfer, *, now: datetime, also: str = "", parameters: Mapping[str, Any] | None = None
) -> PostedEntry:
    """Move credits of one user, in one statement that locks the user's row.

    `also` is SQL for more of the same statement: one or more CTEs (`name AS (…)`, separated by commas) that write the
    caller's own rows from `moved (user_id, balance_after, sequence, now)`, which is empty where the transfer is
    refused. They take `parameters`, whose names must not begin with `ledger_`.
    Raises InsufficientCredits, AlreadyPosted, UnknownUser.
    """
    require_transaction("The ledger")
    if not transfer.amount:
        raise ValueError("A transfer of nothing has no entry; post_many takes changes of stake alone.")
    statement = POST.format(also=f", {also}" if also else "")
    with constraints_as_errors():
        row = fetch_one(statement, {**(parameters or {}), **as_parameters(transfer), "ledger_now": now})
    if row is None:
        exists = fetch_value(USER_EXISTS, {"ledger_user_id": transfer.user_id})
        raise InsufficientCredits if exists else UnknownUser(transfer.user_id)
    *posted, owes = row
    repaid = repay_debts([transfer.user_id], now=now) if owes else {}
    (entry,) = subtract_repayments([PostedEntry(*posted)], repaid)
    publish_users([transfer.user_id])
    return entry


def post_many(transfers: Iterable[Transfer], *, now: datetime) -> list[PostedEntry | None]:
    """Move credits of any number of users in one statement; users are locked in the order of their ids.

    The same as `post` one after the other, in the order given, but all or nothing. Returns the entries in that order,
    None for a transfer that only changes the stakes. Raises InsufficientCredits, AlreadyPosted, UnknownUser.
    """
    given = list(transfers)
    if not given:
        return []
    rows = run_batch(batch_statement(FROM_ARRAYS, ENTRIES), as_arrays(given), now)
    for row in rows:
        check_row(row)
    repaid = repay_debts(sorted({row[1] for row in rows if row[5]}), now=now)
    posted = subtract_repayments([PostedEntry(*row[:4]) for row in rows], repaid)
    publish_users(transfer.user_id for transfer in given)
    return [entry if transfer.amount else None for transfer, entry in zip(given, posted, strict=True)]


def post_from(
    source: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    users: str = "",
    columns: str = "",
    also: str = "",
    notifications: str = "",
    now: datetime,
) -> Batch:
    """Move credits by a SELECT, in one statement for any number of rows; users are locked in the order of their ids.

    `source` gives the columns `place` (integer, the order of one user's transfers), `user_id`, `amount` (numeric),
    `transaction_type`, `counterparty`, `reference_id`, `occurrence`, `staked` (numeric), `description`; and takes
    `parameters`, whose names must not begin with `ledger_`. It is read before the users are locked, so the caller holds
    a lock that keeps its rows as they are.

    More of the same statement, in SQL: `users` is a SELECT that locks the users itself, in the order of their ids, and
    gives at least `id`, `credit_balance`, `held_credits`, `journal_length`, `ledger_head` and the USER_COLUMNS of
    `notifications.services`; `source` then reads it as `locked`.
    `columns` are assignments to the caller's own columns of those users. `also` are CTEs, separated by commas, that
    write the caller's rows from `locked` and `running` (the transfers, whose values are computed once).
    `notifications` is a SELECT from `running`, whose `turn` counts a user's transfers, that gives what
    WRITE_NOTIFICATIONS takes, with the transfers' ids: to count them then costs no second update of the users.
    Raises InsufficientCredits, AlreadyPosted, UnknownUser, and ValueError for amounts that aren't of whole cents.
    """
    more = {"users": users, "columns": columns, "also": also, "notifications": notifications}
    statement = batch_statement(source, SUMMARY, **more)
    ((posted, touched, amount, *faults, debtors),) = run_batch(statement, parameters or {}, now)
    check_faults(*faults)
    repay_debts(debtors or [], now=now)
    publish_all_users()
    return Batch(posted, touched, amount)


def repay_debts(debtors: list[UUID], *, now: datetime) -> dict[UUID, Decimal]:
    """Have users who were just paid repay the house from what they have available; return how much each did."""
    if not debtors:
        return {}
    return dict(run_batch(batch_statement(REPAYMENTS, REPAID_BY_USER), {"debtors": debtors}, now))


def subtract_repayments(posted: list[PostedEntry], repaid: dict[UUID, Decimal]) -> list[PostedEntry]:
    """Return the entries, with each user's last balance as it is after the user's repayments."""
    if not repaid:
        return posted
    last = {entry.user_id: place for place, entry in enumerate(posted)}
    return [
        replace(entry, balance_after=entry.balance_after - repaid.get(entry.user_id, ZERO))
        if last[entry.user_id] == place
        else entry
        for place, entry in enumerate(posted)
    ]


def change_hold(*, user_id: UUID, change: Decimal, now: datetime) -> None:
    """Put credits on hold (positive) or release them (negative): those repay the user's debts first.

    Raises InsufficientCredits, UnknownUser.
    """
    require_transaction("The ledger")
    validate_amount(change)
    with constraints_as_errors():
        row = fetch_one(CHANGE_HOLD, {"ledger_user_id": user_id, "ledger_change": change})
    if row is None:
        raise UnknownUser(user_id)
    (owes,) = row
    if owes and change < 0:
        repay_debts([user_id], now=now)
    publish_users([user_id])


def rebuild_columns() -> int:
    """Set the users' columns to what the audit derived from the entries; return how many users were wrong.

    Runs inside the audit (`economy.ledger.audit`), which made the table that it reads.
    """
    require_transaction("The ledger")
    return execute(REBUILD_COLUMNS)


def batch_statement(
    source: str, result: str, *, users: str = "", columns: str = "", also: str = "", notifications: str = ""
) -> str:
    """Return the statement for many transfers; `post_from` says what each part is."""
    transfers = TRANSFERS.format(source=source)
    begin = [LOCKED_USERS.format(users=users), transfers]
    if not users:
        begin = [transfers, LOCKED_USERS.format(users=LOCK_NAMED_USERS)]
    # No cause comes twice that moves credits: the ledger's own constraints refuse that.
    written = WRITE_NOTIFICATIONS.format(source=notifications, now="%(ledger_now)s", repeated="", counted="due")
    assigned = [columns] if columns else []
    return POST_MANY.format(
        begin=", ".join(begin),
        notified=f", {written}" if notifications else "",
        told=" LEFT JOIN told USING (user_id)" if notifications else "",
        columns="".join(f", {columns}" for columns in [*assigned, *([COUNT_NOTIFICATIONS] if notifications else [])]),
        also=f", {also}" if also else "",
        result=result,
    )


def run_batch(statement: str, parameters: Mapping[str, Any], now: datetime) -> list[Row]:
    require_transaction("The ledger")
    with constraints_as_errors():
        return fetch_all(statement, {**parameters, "ledger_now": now})


def check_row(row: Row) -> None:
    """Raise UnknownUser or InsufficientCredits for a row of ENTRIES that says so."""
    _, user_id, _, balance_after, short, _ = row
    if balance_after is None:
        raise UnknownUser(user_id)
    if short:
        raise InsufficientCredits


def check_faults(unknown: int, short: int, malformed: int) -> None:
    """Raise for what the counts of SUMMARY say is wrong: UnknownUser, ValueError or InsufficientCredits."""
    if unknown:
        raise UnknownUser(f"{unknown} transfers")
    if malformed:
        raise ValueError(f"{malformed} transfers aren't of whole cents, or take a stake for nothing.")
    if short:
        raise InsufficientCredits


def validate_amount(amount: object) -> None:
    """Raise TypeError for what isn't a Decimal, ValueError for what isn't a number of whole cents."""
    if type(amount) is not Decimal:
        raise TypeError(f"Credits are Decimal, not {type(amount).__name__}.")
    try:
        whole = amount.is_finite() and amount == amount.quantize(CENT)
    except InvalidOperation:
        whole = False
    if not whole:
        raise ValueError(f"{amount} isn't a number of whole cents.")


def as_parameters(transfer: Transfer) -> dict[str, Any]:
    return {
        "ledger_user_id": transfer.user_id,
        "ledger_amount": transfer.amount,
        "ledger_transaction_type": str(transfer.transaction_type),
        "ledger_counterparty": str(transfer.counterparty_account),
        "ledger_reference_id": transfer.reference_id,
        "ledger_occurrence": transfer.occurrence,
        "ledger_staked": transfer.staked,
        "ledger_description": transfer.description,
    }


def as_arrays(transfers: list[Transfer]) -> dict[str, list[Any]]:
    rows = [as_parameters(transfer) for transfer in transfers]
    return {name: [row[name] for row in rows] for name in rows[0]}


@contextmanager
def constraints_as_errors() -> Iterator[None]:
    """Raise what constraints refuse as the errors of this app."""
    try:
        yield
    except IntegrityError as exc:
        diagnosis = getattr(exc.__cause__, "diag", None)
        constraint = diagnosis.constraint_name if diagnosis else None
        if constraint in INSUFFICIENT_CONSTRAINTS:
            raise InsufficientCredits from exc
        if constraint in REPEATED_CONSTRAINTS:
            raise AlreadyPosted from exc
        raise
