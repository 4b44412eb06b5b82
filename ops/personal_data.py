"""A user's personal data: exported as JSON, a row at a time, and erased for good.

A table that is in no section of the export is found by a test. After an erasure the ledger still balances: credits,
open bets and holdings stay with the account, bets are settled as any other, and nobody can sign in to use what they
bring. The record says that a user was erased, when and why, and not who it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from accounts.errors import NotAllowed
from accounts.models import FormerUsername, Mail, RefreshToken, StaffAction, User
from accounts.providers.connections import delete_links
from accounts.providers.models import OAuthAccount, OAuthState
from accounts.services import erase_personal_data
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from betting.models import Bet, BetSale, Settlement
from core.api.errors import delete_refusals
from core.api.json import dumps
from core.db.sql import execute
from core.db.transactions import require_transaction, run_transaction
from core.models import IdempotencyKey
from economy.models import CreditAdjustment, CreditTransaction, DailyReward, Debt, LedgerAnchorHead
from economy.stocks.models import StockHolding, StockPrice, StockStatusChange, StockTransaction
from markets.models import MarketResolution, MarketSkip
from notifications.models import AnnouncementRead, Notification, NotificationReadMark
from notifications.services import erase_notifications
from purchases.models import CreditPurchase, PurchaseEvent

CHUNK = 2_000
USER_LABEL = "accounts.user"


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


def export_user(*, user_id: UUID, now: datetime) -> Iterator[bytes]:
    """Yield one JSON object in parts, as of one moment, in bounded memory. Raises User.DoesNotExist at the first."""
    with snapshot():
        yield b'{"exported_at":' + dumps(now) + b',"user":' + dumps(user_row(user_id))
        for section in SECTIONS:
            yield from in_parts(section.name, section.rows(user_id))
        yield from in_parts("staff_actions", staff_actions_about(user_id))
        yield b"}\n"


@contextmanager
def snapshot() -> Iterator[None]:
    with transaction.atomic(durable=True):
        execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def user_row(user_id: UUID) -> dict[str, Any]:
    """Return the user's own row, without the password's hash."""
    row: dict[str, Any] = User.objects.values(*columns_of(User, "password")).get(pk=user_id)
    return {column: readable(value) for column, value in row.items()}


def staff_actions_about(user_id: UUID) -> QuerySet[Any, dict[str, Any]]:
    """Return staff actions about the user, without who of the staff it was and from where: that is theirs."""
    about: QuerySet[Any] = StaffAction.objects.filter(target_type=USER_LABEL, target_id=str(user_id)).order_by("id")
    return about.values(*columns_of(StaffAction, "staff", "ip", "target_type", "target_id"))


def in_parts(name: str, rows: QuerySet[Any, dict[str, Any]]) -> Iterator[bytes]:
    yield b',\n"' + name.encode() + b'":['
    separator = b"\n"
    for row in rows.iterator(chunk_size=CHUNK):
        yield separator + dumps({column: readable(value) for column, value in row.items()})
        separator = b",\n"
    yield b"]"


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

    def erase() -> Erased:
        user = lock_for_staff(user_id, by=by)
        nobody = erase_personal_data(user=user, now=now)
        erase_traces(nobody)
        after = {"username": nobody.username}
        record_action("erase_user", by=by, target=nobody, reason=reason, before={}, after=after, now=now)
        return Erased(nobody.pk, nobody.username)

    erased = run_transaction(erase)
    delete_refusals(user_id)
    return erased


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
