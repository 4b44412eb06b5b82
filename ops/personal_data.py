"""Export a user's personal data as JSON, a row at a time, and erase it for good: for the user, and for staff.

A table that is in no section of the export is found by a test. After an erasure the ledger still balances: credits,
open bets and holdings stay with the account, bets are settled as any other, and nobody can sign in to use what they
bring. The record says that a user was erased, when and why, and not who it was.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Model, Q, QuerySet

from accounts import rules
from accounts.errors import NotAllowed
from accounts.leaving import list_due
from accounts.models import FormerUsername, Mail, RefreshToken, StaffAction, User
from accounts.providers.connections import delete_links
from accounts.providers.models import OAuthAccount, OAuthState
from accounts.services import erase_personal_data
from accounts.staff import COMMAND_LINE, StaffMember, lock_for_staff, record_action, validate_reason
from betting.models import Bet, BetSale, Settlement
from core.api.errors import DomainError, delete_refusals
from core.api.json import dumps
from core.db.sql import execute
from core.db.transactions import COLLISIONS, require_transaction, run_transaction, sqlstate_of
from core.models import IdempotencyKey
from core.resilience import Deadline
from economy.models import CreditAdjustment, CreditTransaction, DailyReward, Debt, LedgerAnchorHead
from economy.stocks.models import StockHolding, StockPrice, StockStatusChange, StockTransaction
from markets.models import MarketResolution, MarketSkip
from notifications.models import AnnouncementRead, Notification, NotificationReadMark
from notifications.services import erase_notifications
from ops.errors import ExportTooLarge, UsersNotErased
from purchases.models import CreditPurchase, PurchaseEvent

logger = logging.getLogger(__name__)
CHUNK = 2_000
USER_LABEL = "accounts.user"
DELETED_BY_USER = "Deleted by the user, who didn't come back."
EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of `model` whose `field` leads to the user; `hidden`: columns that are secret, or another user's."""

    name: str
    model: type[Model]
    field: str = "user"
    hidden: tuple[str, ...] = ()

    def rows(self, user_id: UUID) -> QuerySet[Any, dict[str, Any]]:
        found: QuerySet[Any] = self.model._default_manager.filter(**{self.field: user_id})  # noqa: SLF001
        return found.order_by("pk").values(*columns_of(self.model, *self.hidden))


def columns_of(model: type[Model], *hidden: str) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if field.name not in hidden]  # noqa: SLF001


SECTIONS = (
    Section("referred_users", User, "referred_by", hidden=(*columns_of(User, "id", "created_at"), "referred_by")),
    Section("groups", User.groups.through),
    Section("permissions", User.user_permissions.through),
    Section("sessions", RefreshToken, hidden=("token_hash",)),
    Section("former_usernames", FormerUsername),
    Section("mails", Mail),
    Section("linked_accounts", OAuthAccount),
    Section("sign_ins_begun", OAuthState, hidden=("state_hash", "browser_hash", "finish_hash", "verifier")),
    Section("social_accounts", SocialAccount),
    Section("email_addresses", EmailAddress),
    Section("idempotency_keys", IdempotencyKey, "user_id", hidden=("request_hash",)),
    Section("ledger_entries", CreditTransaction),
    Section("ledger_anchor_heads", LedgerAnchorHead, "user_id"),
    Section("daily_rewards", DailyReward),
    Section("debts", Debt),
    Section("credit_adjustments", CreditAdjustment, hidden=("requested_by", "decided_by")),
    Section("bets", Bet),
    Section("bet_sales", BetSale, "bet__user"),
    Section("market_skips", MarketSkip),
    Section("notifications", Notification),
    Section("notification_read_marks", NotificationReadMark, "user_id"),
    Section("announcement_reads", AnnouncementRead, "user_id"),
    Section("holdings", StockHolding),
    Section("stock_transactions", StockTransaction),
    Section("purchases", CreditPurchase),
    Section("purchase_events", PurchaseEvent, "purchase__user", hidden=("actor",)),
    # What the user did as one of the staff.
    Section("own_staff_actions", StaffAction, "staff", hidden=("before", "after")),
    Section("own_admin_log", LogEntry),
    Section("own_adjustments_asked_for", CreditAdjustment, "requested_by", hidden=("user", "decided_by")),
    Section("own_adjustments_decided", CreditAdjustment, "decided_by", hidden=("user", "requested_by")),
    Section("own_market_decisions", MarketResolution, "staff"),
    Section("own_settlements_reversed", Settlement, "reversed_by"),
    Section("own_stock_prices", StockPrice, "set_by"),
    Section("own_stock_states", StockStatusChange, "set_by"),
    Section("own_purchase_events", PurchaseEvent, "actor"),
)
# Counted from the bets and ledger entries above, and made anew from them at any time; tickets are gone within seconds.
DERIVED_APPS = ("leaderboard", "staff", "stream")

Naming = Callable[[str], str]
# Columns whose names nobody outside knows.
RENAMED = {"journal_length": "ledger_entry_count"}


def as_column(name: str) -> str:
    """Return the name as it is: that of a table's column."""
    return name


def as_field(name: str) -> str:
    """Return a column's name as the API names its fields: `createdAt`."""
    first, *others = RENAMED.get(name, name).split("_")
    return first + "".join(map(str.capitalize, others))


def export_user(*, user_id: UUID, now: datetime, naming: Naming = as_column) -> Iterator[bytes]:
    """Yield one JSON object in parts, as of one moment, in bounded memory. Raises User.DoesNotExist at the first."""
    with snapshot():
        yield dumps({naming("exported_at"): now, "user": shown(user_row(user_id), naming)})[:-1]
        for section in SECTIONS:
            yield from in_parts(section.name, section.rows(user_id), naming)
        yield from in_parts("staff_actions", staff_actions_about(user_id), naming)
        yield b"}\n"


def export_as_response(*, user_id: UUID, now: datetime) -> bytes:
    """Return the export under the names of the API's fields. Raises ExportTooLarge: the response is made in memory."""
    parts, size = list[bytes](), 0
    for part in export_user(user_id=user_id, now=now, naming=as_field):
        parts.append(part)
        size += len(part)
        if size > rules.EXPORT_MAX_BYTES:
            raise ExportTooLarge
    return b"".join(parts)


@contextmanager
def snapshot() -> Iterator[None]:
    with transaction.atomic(durable=True):
        execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def user_row(user_id: UUID) -> dict[str, Any]:
    """Return the user's own row, without the password's hash."""
    row: dict[str, Any] = User.objects.values(*columns_of(User, "password")).get(pk=user_id)
    return row


def staff_actions_about(user_id: UUID) -> QuerySet[Any, dict[str, Any]]:
    """Return staff actions about the user, without who of the staff it was and from where: that is theirs."""
    about: QuerySet[Any] = StaffAction.objects.filter(target_type=USER_LABEL, target_id=str(user_id)).order_by("id")
    return about.values(*columns_of(StaffAction, "staff", "ip", "target_type", "target_id"))


def in_parts(name: str, rows: QuerySet[Any, dict[str, Any]], naming: Naming) -> Iterator[bytes]:
    yield b',\n"' + naming(name).encode() + b'":['
    separator = b"\n"
    for row in rows.iterator(chunk_size=CHUNK):
        yield separator + dumps(shown(row, naming))
        separator = b",\n"
    yield b"]"


def shown(row: Mapping[str, Any], naming: Naming) -> dict[str, Any]:
    return {naming(column): readable(value) for column, value in row.items()}


def readable(value: Any) -> Any:
    """Return bytes as text where they are text, else in hexadecimal."""
    if not isinstance(value, (bytes, memoryview)):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return bytes(value).hex()


# Erasure


class Erased(NamedTuple):
    user_id: UUID
    username: str  # the new one


def erase_user(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> Erased:
    """Erase a user, on behalf of a superuser or the command line. The reason is kept: it must not name the person.

    Raises NotAllowed, NotYourself, UserErased, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """
    if by.user and not by.user.is_superuser:
        raise NotAllowed
    reason = validate_reason(reason)

    def act() -> Erased:
        return erase(lock_for_staff(user_id, by=by), by=by, reason=reason, now=now)

    erased = run_transaction(act)
    delete_refusals(user_id)
    return erased


def erase(user: User, *, by: StaffMember, reason: str, now: datetime) -> Erased:
    """Erase the locked user, and record it, inside the caller's transaction. Raises UserErased."""
    nobody = erase_personal_data(user=user, now=now)
    erase_traces(nobody)
    after = {"username": nobody.username}
    record_action("erase_user", by=by, target=nobody, reason=reason, before={}, after=after, now=now)
    return Erased(nobody.pk, nobody.username)


def erase_if_due(*, user_id: UUID, now: datetime) -> Erased | None:
    """Erase a user whose time to come back is over; None where they are back meanwhile, or erased already."""

    def act() -> Erased | None:
        user = lock_for_staff(user_id, by=COMMAND_LINE)
        # Judged under the lock: a sign-in that takes the deletion back at the same moment waits for it, or was first.
        if user.deletion_due_at is None or user.deletion_due_at > now:
            return None
        return erase(user, by=COMMAND_LINE, reason=DELETED_BY_USER, now=now)

    erased = run_transaction(act)
    if erased:
        delete_refusals(user_id)
    return erased


def erase_due_users(*, now: datetime) -> dict[str, Any]:
    """Erase the users whose time to come back is over, each in a transaction of its own; return `{erased}`.

    Whoever can't be erased holds up nobody, and is tried again by the next run. Raises UsersNotErased in the end.
    """
    erased, failed = 0, list[str]()
    for user_id in due_user_ids(now=now):
        try:
            erased += erase_if_due(user_id=user_id, now=now) is not None
        except (DatabaseError, DomainError) as exc:
            if isinstance(exc, OperationalError) and sqlstate_of(exc) not in COLLISIONS:
                # The database is away: that is nobody's own trouble.
                raise
            logger.exception("user %s couldn't be erased", user_id)
            failed.append(str(user_id))
    result = {"erased": erased, "failed": failed[:EXAMPLES]}
    if failed:
        raise UsersNotErased(f"{len(failed)} users couldn't be erased.", result=result)
    return {"erased": erased}


def due_user_ids(*, now: datetime) -> Iterator[UUID]:
    """Yield the ids of the users who are due, a batch a statement, until the time of a run is over."""
    deadline, after = Deadline(rules.ERASURE_RUN_SECONDS), UUID(int=0)
    while batch := list(list_due(now=now).filter(pk__gt=after).values_list("pk", flat=True)[: rules.ERASURE_BATCH]):
        for user_id in batch:
            if deadline.remaining() <= 0:
                return
            yield user_id
        after = batch[-1]


def erase_traces(user: User) -> None:
    """Delete what tables outside the ledger hold about the user. Runs inside the caller's transaction."""
    require_transaction("erase_traces")
    delete_links(OAuthAccount.objects.filter(user=user))
    OAuthState.objects.filter(user=user).delete()
    SocialAccount.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).delete()
    MarketSkip.objects.filter(user=user).delete()
    erase_notifications(user)
    # Stored responses may contain personal data.
    IdempotencyKey.objects.filter(user_id=user.pk).delete()
    about = Q(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    LogEntry.objects.filter(Q(user=user) | about).delete()
