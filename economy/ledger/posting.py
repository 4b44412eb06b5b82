"""How credits move: the only writer of the journal and of the users' credit columns.

A transfer says who, how much, why, and how it changes what the user has at stake; the rest follows in SQL, in the same
statement as the journal's row: balance, locked and expended credits, volume, realized profit, referral credits. All of
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

from django.db import IntegrityError, connection

from core.api.errors import DomainError
from core.db.transactions import require_transaction
from economy import ledger_sql as sql
from economy.models import DIRECTIONS, Counterparty, TransactionType

CENT = Decimal("0.01")
NOTHING = Decimal(0)
AT_STAKE = (Counterparty.ESCROW, Counterparty.STOCKS)


class InsufficientCredits(DomainError):
    """What is available (the balance less what is on hold) would fall below zero."""

    code = "insufficient_credits"
    message = "You don't have enough credits."


class AlreadyPosted(DomainError):
    """The journal has this transfer: same type, counterparty, reference and occurrence; or the bet was settled."""

    code = "already_posted"
    status = 409
    message = "This has been booked already."


class UnknownUser(LookupError):
    """A transfer names a user that doesn't exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Credits that move between a user and a counterparty.

    `amount`, in credits: positive to the user, negative from the user; at most 2 decimals.
    `staked`: the change of what the user has at stake, with bets (counterparty escrow) or in stocks. A bet of 100 is
    `amount=-100, staked=100`; its payout of 180 is `amount=180, staked=-100`. Realized profit is the sum of the two.
    An `amount` of 0 writes no row: a lost bet is `amount=0, staked=-100`.
    `reference_id`: the bet, purchase, reward, trade or user it is about. `occurrence`: see docs/ledger.md.
    Raises TypeError for what isn't a Decimal, ValueError for what isn't a number of whole cents.
    """

    user_id: UUID
    amount: Decimal
    transaction_type: TransactionType
    reference_id: UUID
    counterparty: Counterparty | None = None  # None: the type's own
    staked: Decimal = NOTHING
    occurrence: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        check_amount(self.amount)
        check_amount(self.staked)
        if self.staked and self.other_end not in AT_STAKE:
            raise ValueError("Only bets and stocks put credits at stake.")

    @property
    def other_end(self) -> Counterparty:
        return self.counterparty or next(iter(DIRECTIONS[self.transaction_type]))


@dataclass(frozen=True, slots=True)
class Posted:
    """A row of the journal as it was written; the user's last `balance_after` is less what was repaid of debts."""

    id: UUID
    user_id: UUID
    sequence: int
    balance_after: Decimal


@dataclass(frozen=True, slots=True)
class Batch:
    """What a set-based post moved: journal rows written, users touched, and the sum of the amounts."""

    transfers: int
    users: int
    amount: Decimal


def post(transfer: Transfer, *, now: datetime, also: str = "", parameters: Mapping[str, Any] | None = None) -> Posted:
    """Moves credits of one user, in one statement that locks the user's row.

    `also` is SQL for more of the same statement: one or more CTEs (`name AS (…)`, separated by commas) that write the
    caller's own rows from `moved (user_id, balance_after, sequence, now)`, which is empty where the transfer is
    refused. They take `parameters`, whose names must not begin with `ledger_`.
    Raises InsufficientCredits, AlreadyPosted, UnknownUser.
    """
    require_transaction("The ledger")
    if not transfer.amount:
        raise ValueError("A transfer of nothing has no row; post_many takes changes of stake alone.")
    statement = sql.POST.format(also=f", {also}" if also else "")
    with refusals_named(), connection.cursor() as cursor:
        cursor.execute(statement, {**(parameters or {}), **as_parameters(transfer), "ledger_now": now})
        row = cursor.fetchone()
        if row is None:
            cursor.execute(sql.EXISTS, {"ledger_user_id": transfer.user_id})
            raise InsufficientCredits if cursor.fetchone() else UnknownUser(transfer.user_id)
    *posted, owes = row
    repaid = repay_debts([transfer.user_id], now=now) if owes else {}
    (after,) = less_repayments([Posted(*posted)], repaid)
    return after


def post_many(transfers: Iterable[Transfer], *, now: datetime) -> list[Posted | None]:
    """Moves credits of any number of users in one statement; users are locked in the order of their ids.

    The same as `post` one after the other, in the order given, but all or nothing. Answers in that order, None for a
    transfer that only changes what is at stake. Raises InsufficientCredits, AlreadyPosted, UnknownUser.
    """
    given = list(transfers)
    if not given:
        return []
    rows = run(sql.post_many(sql.GIVEN, sql.ROWS), as_arrays(given), now)
    for row in rows:
        check_row(row)
    repaid = repay_debts(sorted({row[1] for row in rows if row[5]}), now=now)
    posted = less_repayments([Posted(*row[:4]) for row in rows], repaid)
    return [row if transfer.amount else None for transfer, row in zip(given, posted, strict=True)]


def post_from(
    source: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    users: str = "",
    columns: str = "",
    also: str = "",
    now: datetime,
) -> Batch:
    """Moves credits by a SELECT, in one statement for any number of rows; users are locked in the order of their ids.

    `source` gives the columns `place` (integer, the order of one user's transfers), `user_id`, `amount` (numeric),
    `transaction_type`, `counterparty`, `reference_id`, `occurrence`, `staked` (numeric), `description`; and takes
    `parameters`, whose names must not begin with `ledger_`. It is read before the users are locked, so the caller holds
    a lock that keeps its rows as they are.

    More of the same statement, in SQL: `users` is a SELECT that locks the users itself, in the order of their ids, and
    gives at least `id`, `credit_balance`, `held_credits`, `journal_length`; `source` then reads it as `locked`.
    `columns` are assignments to the caller's own columns of those users. `also` are CTEs, separated by commas, that
    write the caller's rows from `locked` and `running` (the transfers, whose values are computed once).
    Raises InsufficientCredits, AlreadyPosted, UnknownUser, and ValueError for amounts that aren't of whole cents.
    """
    ((written, touched, amount, *faults, debtors),) = run(
        sql.post_many(source, sql.SUMMARY, users=users, columns=columns, also=also), parameters or {}, now
    )
    check_faults(*faults)
    repay_debts(debtors or [], now=now)
    return Batch(written, touched, amount)


def repay_debts(debtors: list[UUID], *, now: datetime) -> dict[UUID, Decimal]:
    """Has users who were just paid repay the house from what they have available; returns how much each did."""
    if not debtors:
        return {}
    return dict(run(sql.post_many(sql.REPAYMENTS, sql.REPAID), {"debtors": debtors}, now))


def less_repayments(posted: list[Posted], repaid: dict[UUID, Decimal]) -> list[Posted]:
    """With each user's last balance as it is after the user's repayments."""
    if not repaid:
        return posted
    last = {row.user_id: place for place, row in enumerate(posted)}
    return [
        replace(row, balance_after=row.balance_after - repaid.get(row.user_id, NOTHING))
        if last[row.user_id] == place
        else row
        for place, row in enumerate(posted)
    ]


def change_hold(*, user_id: UUID, change: Decimal, now: datetime) -> None:
    """Puts credits on hold (positive) or lets them go (negative): those repay the user's debts first.

    Raises InsufficientCredits, UnknownUser.
    """
    require_transaction("The ledger")
    check_amount(change)
    with refusals_named(), connection.cursor() as cursor:
        cursor.execute(sql.HOLD, {"ledger_user_id": user_id, "ledger_change": change})
        row = cursor.fetchone()
    if row is None:
        raise UnknownUser(user_id)
    (owes,) = row
    if owes and change < 0:
        repay_debts([user_id], now=now)


def rebuild_columns() -> int:
    """Sets the users' columns to what the audit derived from the journal; returns how many users were wrong.

    Runs inside the audit (`economy.ledger.audit`), which made the table that it reads.
    """
    require_transaction("The ledger")
    with connection.cursor() as cursor:
        cursor.execute(sql.REBUILD)
        rebuilt: int = cursor.rowcount
        return rebuilt


def run(statement: str, parameters: Mapping[str, Any], now: datetime) -> list[tuple[Any, ...]]:
    require_transaction("The ledger")
    with refusals_named(), connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "ledger_now": now})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def check_row(row: tuple[Any, ...]) -> None:
    _, user_id, _, balance_after, short, _ = row
    if balance_after is None:
        raise UnknownUser(user_id)
    if short:
        raise InsufficientCredits


def check_faults(unknown: int, short: int, malformed: int) -> None:
    if unknown:
        raise UnknownUser(f"{unknown} transfers")
    if malformed:
        raise ValueError(f"{malformed} transfers aren't of whole cents, or put credits at stake with nobody.")
    if short:
        raise InsufficientCredits


def check_amount(amount: object) -> None:
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
        "ledger_counterparty": str(transfer.other_end),
        "ledger_reference_id": transfer.reference_id,
        "ledger_occurrence": transfer.occurrence,
        "ledger_staked": transfer.staked,
        "ledger_description": transfer.description,
    }


def as_arrays(transfers: list[Transfer]) -> dict[str, list[Any]]:
    rows = [as_parameters(transfer) for transfer in transfers]
    return {name: [row[name] for row in rows] for name in rows[0]}


# Constraints whose breach has a name in this API.
SHORT = (
    "users_balance_not_negative",
    "users_available_not_negative",
    "users_held_not_negative",
    "credit_transactions_balance_not_negative",
)
REPEATED = ("credit_transactions_once", "credit_transactions_settled_once")


@contextmanager
def refusals_named() -> Iterator[None]:
    """What constraints refuse, as the errors of this API."""
    try:
        yield
    except IntegrityError as exc:
        diagnosis = getattr(exc.__cause__, "diag", None)
        constraint = diagnosis.constraint_name if diagnosis else None
        if constraint in SHORT:
            raise InsufficientCredits from exc
        if constraint in REPEATED:
            raise AlreadyPosted from exc
        raise
