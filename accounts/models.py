from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Collate, Lower, Now
from django.utils import timezone

from accounts import rules
from core.columns import credits_column
from core.db.sql import new_id

USERNAME_REGEX = f"^[{rules.USERNAME_CHARACTERS}]{{{rules.MIN_USERNAME_LENGTH},{rules.MAX_USERNAME_LENGTH}}}$"


class UserManager(BaseUserManager["User"]):
    """Create users directly, for staff and tests; everybody else signs up through `accounts.services`."""

    def create_user(self, *, email: str, username: str, password: str | None = None, **fields: Any) -> "User":
        # Not `set_password`: the first password is no change of one, which ends sessions and is told by mail.
        named = {"name": username, **fields}
        user = self.model(email=email, username=username, password=make_password(password), **named)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create a superuser, as `manage.py createsuperuser` does, and the record of it as a staff action."""
        with transaction.atomic(using=self._db):
            staff = {"is_staff": True, "is_superuser": True}
            user = self.create_user(email=email, username=username, password=password, **staff, **fields)
            StaffAction.objects.using(self._db).create(
                created_at=timezone.now(),
                action="create_superuser",
                target_type="accounts.user",
                target_id=str(user.pk),
                reason="Made from the command line.",
                before={},
                after={"staff": True, "superuser": True, "roles": []},
            )
        return user

    def with_email(self, email: str) -> "QuerySet[User]":
        """Return the one user of that e-mail, in any case, by the unique index, which `iexact` wouldn't use."""
        return self.alias(lower_email=Lower("email")).filter(lower_email=Lower(Value(email)))

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return a user by e-mail, in any case: what staff sign in to the admin with."""
        return self.with_email(username or "").get()


def ledger_column() -> "models.DecimalField[Any, Any]":
    """Return a column of credits that the economy's ledger alone changes."""
    return credits_column(default=0, db_default=0, editable=False)


def notification_types_column() -> "ArrayField[Any, Any]":
    """Return a column of types of notifications."""
    return ArrayField(models.CharField(max_length=20), default=list, db_default=[], editable=False)


class User(AbstractBaseUser, PermissionsMixin):
    """A user. E-mail and username are unique whatever their case.

    `is_active` is false of who is suspended, is leaving (`deletion_due_at`) or was erased (`erased_at`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=rules.MAX_EMAIL_LENGTH)
    # Since when it is known that the person reads mail to an address of this account, or came by X: set once.
    email_verified_at = models.DateTimeField(null=True, editable=False)
    # The address that replaces `email` once it is verified; others may want the same one until then.
    pending_email = models.EmailField(
        max_length=rules.MAX_EMAIL_LENGTH, blank=True, default="", db_default="", editable=False
    )
    username = models.CharField(max_length=rules.MAX_USERNAME_LENGTH)
    name = models.CharField(max_length=rules.MAX_NAME_LENGTH)
    avatar_url = models.URLField(max_length=rules.MAX_AVATAR_URL_LENGTH, blank=True, default="")
    bio = models.CharField(max_length=rules.MAX_BIO_LENGTH, blank=True, default="")
    x_username = models.CharField(max_length=50, blank=True, default="")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    # Set while the user is leaving: when the account is erased, unless the user signs in before: `accounts.leaving`.
    deletion_due_at = models.DateTimeField(null=True, editable=False)
    # From then on the row holds no personal data: `accounts.services`.
    erased_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_login = None
    last_login_at = models.DateTimeField(null=True, editable=False)
    last_active_at = models.DateTimeField(null=True, editable=False)
    # A bit for each of the 31 UTC days before that of `last_active_at`: `accounts.activity`.
    earlier_active_days = models.IntegerField(default=0, db_default=0, editable=False)
    # How often all sessions were ended: access tokens and browsers that were told an earlier count are good no more.
    sessions_ended = models.IntegerField(default=0, db_default=0, editable=False)
    # Sessions that ended lately, one by one: their access tokens, which may not have expired, are good no more.
    ended_sessions = ArrayField(models.UUIDField(), default=list, db_default=[], editable=False)
    # Whether the person chose the name or the avatar, or it is only what X says.
    name_chosen = models.BooleanField(default=True, db_default=True, editable=False)
    avatar_chosen = models.BooleanField(default=False, db_default=False, editable=False)

    credit_balance = ledger_column()
    held_credits = ledger_column()
    available_credits = models.GeneratedField(
        expression=F("credit_balance") - F("held_credits"),
        output_field=credits_column(),
        db_persist=True,
    )
    locked_credits = ledger_column()
    expended_credits = ledger_column()
    total_volume = ledger_column()
    overall_pnl = ledger_column()
    # How many ledger entries this user has: the last one's sequence number.
    journal_length = models.BigIntegerField(default=0, db_default=0, editable=False)
    # The hash of the last one, which covers all before it; null where there is none.
    ledger_head = models.BinaryField(max_length=32, null=True, editable=False)
    consecutive_days_online = models.IntegerField(default=0, db_default=0, editable=False)
    last_daily_reward_at = models.DateTimeField(null=True, editable=False)

    referral_code = models.CharField(
        max_length=rules.REFERRAL_CODE_LENGTH, default=rules.new_referral_code, editable=False
    )
    referred_by = models.ForeignKey("self", models.SET_NULL, null=True, editable=False, related_name="referred")
    referral_count = models.IntegerField(default=0, db_default=0, editable=False)
    referral_credits_earned = ledger_column()

    # What `notifications` counts, and changes with what it counts: the newest one's number, and how many are unread.
    notification_sequence = models.BigIntegerField(default=0, db_default=0, editable=False)
    unread_notifications = models.IntegerField(default=0, db_default=0, editable=False)
    # All notifications up to this number are read.
    notifications_read_through = models.BigIntegerField(default=0, db_default=0, editable=False)
    # Types that the user wants none of, and those that the user wants by e-mail.
    muted_notifications = notification_types_column()
    emailed_notifications = notification_types_column()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["username"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        # Staff look users up by these. Ids grow with time: newest first is by id.
        indexes = [
            models.Index(Collate(Lower("username"), "C"), name="users_username_begins"),
            models.Index(Collate(Lower("name"), "C"), name="users_name_begins"),
            models.Index(Lower("x_username"), condition=~Q(x_username=""), name="users_x_username"),
            models.Index(F("id").desc(), condition=Q(is_active=False), name="users_suspended"),
            models.Index(F("id").desc(), condition=Q(deletion_due_at__isnull=False), name="users_leaving"),
            models.Index(F("id").desc(), condition=Q(is_staff=True), name="users_staff"),
            models.Index(F("id").desc(), condition=Q(held_credits__gt=0), name="users_with_hold"),
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(
                    credit_balance__lt=10**16,
                    held_credits__lt=10**16,
                    available_credits__lt=10**16,
                    locked_credits__lt=10**16,
                    expended_credits__lt=10**16,
                    total_volume__lt=10**16,
                    overall_pnl__lt=10**16,
                    referral_credits_earned__lt=10**16,
                ),
                name="users_hold_numbers",
            ),
            models.UniqueConstraint(Lower("email"), name="users_email_unique"),
            models.UniqueConstraint(Lower("username"), name="users_username_unique"),
            models.UniqueConstraint(fields=["referral_code"], name="users_referral_code_unique"),
            models.CheckConstraint(condition=Q(username__regex=USERNAME_REGEX), name="users_username_valid"),
            models.CheckConstraint(condition=Q(credit_balance__gte=0), name="users_balance_not_negative"),
            models.CheckConstraint(condition=Q(held_credits__gte=0), name="users_held_not_negative"),
            models.CheckConstraint(
                condition=Q(credit_balance__gte=F("held_credits")), name="users_available_not_negative"
            ),
            models.CheckConstraint(condition=Q(locked_credits__gte=0), name="users_locked_not_negative"),
            models.CheckConstraint(
                condition=Q(expended_credits__gte=0, total_volume__gte=0, referral_credits_earned__gte=0),
                name="users_totals_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(journal_length__gte=0, referral_count__gte=0, consecutive_days_online__gte=0),
                name="users_counts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    unread_notifications__gte=0,
                    notifications_read_through__gte=0,
                    notification_sequence__gte=F("notifications_read_through"),
                ),
                name="users_notifications_counted",
            ),
            models.CheckConstraint(
                condition=Q(referred_by__isnull=True) | ~Q(referred_by=F("id")), name="users_not_referred_by_self"
            ),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True) | Q(is_active=False, is_staff=False, is_superuser=False),
                name="users_erased_never_return",
            ),
            models.CheckConstraint(
                condition=Q(deletion_due_at__isnull=True) | Q(is_active=False, erased_at__isnull=True),
                name="users_leaving_not_active",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_leaving(self) -> bool:
        """Return whether the user deleted the account, which is erased soon unless they sign in again."""
        return self.deletion_due_at is not None

    def get_full_name(self) -> str:
        """Return the name, under the method that the admin greets its staff with."""
        return self.name

    def get_session_auth_hash(self) -> str:
        """Return what must stay the same for a browser to stay signed in."""
        return f"{super().get_session_auth_hash()}.{self.sessions_ended}"


class RefreshToken(models.Model):
    """A refresh token, of which only the SHA-256 is stored. All that came from one sign-in are a family: a session.

    Of a session that goes on, exactly one token is neither used nor revoked: the newest.
    """

    class Reason(models.TextChoices):
        """Why a token was revoked. Replaced: its predecessor was used again before this one ever was."""

        REPLACED = "replaced"
        REUSED = "reused"
        LOGGED_OUT = "logged_out"
        ENDED_BY_USER = "ended_by_user"
        ENDED_BY_STAFF = "ended_by_staff"
        PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
        SUSPENDED = "suspended"
        LEFT = "left"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="refresh_tokens")
    token_hash = models.BinaryField(max_length=32)
    family = models.UUIDField(db_index=True)
    # The token that this one succeeded. No foreign key: a parent is purged before its successors.
    parent_id = models.UUIDField(null=True, db_index=True)
    # When the session began: its first tokens are purged before it ends.
    signed_in_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    # When it was first refreshed: its successor, if never used itself, may then still be replaced.
    first_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=20, choices=Reason.choices, blank=True, default="")
    user_agent = models.CharField(max_length=200, blank=True, default="")
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [
            models.Index(
                fields=["user", "-created_at"],
                condition=Q(first_used_at=None, revoked_at=None),
                name="refresh_tokens_sessions",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["token_hash"], name="refresh_tokens_hash_unique"),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_reason="")
                | Q(revoked_at__isnull=False) & ~Q(revoked_reason=""),
                name="refresh_tokens_revoked_for_a_reason",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="refresh_tokens_expire_later"),
        ]

    def __str__(self) -> str:
        return f"{self.id} of {self.user_id}"


class FormerUsername(models.Model):
    """A username that a user gave up, and that nobody else gets before `held_until`. In lower case."""

    username = models.CharField(max_length=rules.MAX_USERNAME_LENGTH, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="former_usernames")
    held_until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "former_usernames"
        constraints = [
            models.CheckConstraint(condition=Q(username=Lower("username")), name="former_usernames_lower_case"),
        ]

    def __str__(self) -> str:
        return self.username


class Mail(models.Model):
    """A mail about an account: why, to which address, and what became of it; never its text, nor its token.

    The row is the queue: `accounts.mail.queue` writes it in the transaction that is the reason for the mail.
    """

    class Kind(models.TextChoices):
        VERIFY_EMAIL = "verify_email"
        PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind of mail
        EMAIL_CHANGE_REQUESTED = "email_change_requested"
        EMAIL_CHANGED = "email_changed"
        PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind of mail
        DELETION_REQUESTED = "deletion_requested"
        LINKED_ACCOUNTS_CHANGED = "linked_accounts_changed"

    class Status(models.TextChoices):
        """Dropped: by the time it was to be sent there was nothing left to say."""

        QUEUED = "queued"
        SENT = "sent"
        DROPPED = "dropped"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Null while nobody has looked up whose address it is: a request to reset a password must not tell.
    user = models.ForeignKey(User, models.CASCADE, null=True, db_index=False, related_name="mails")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    address = models.EmailField(max_length=rules.MAX_EMAIL_LENGTH)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    # Of the last attempt that failed: the kind of failure, and the code of the server's reply.
    error = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        db_table = "mails"
        indexes = [
            models.Index(fields=["user", "-created_at"], name="mails_of_user"),
            models.Index(fields=["next_attempt_at"], condition=Q(status="queued"), name="mails_due"),
            models.Index(fields=["created_at"], name="mails_created_at"),
        ]
        constraints = [
            # Asked for again before it was sent, one mail does.
            models.UniqueConstraint(
                F("kind"),
                Lower("address"),
                F("user"),
                condition=Q(status="queued"),
                nulls_distinct=False,
                name="mails_queued_once",
            ),
            models.CheckConstraint(
                condition=Q(status="queued", next_attempt_at__isnull=False, sent_at__isnull=True)
                | Q(status="sent", next_attempt_at__isnull=True, sent_at__isnull=False)
                | Q(status__in=["dropped", "failed"], next_attempt_at__isnull=True, sent_at__isnull=True),
                name="mails_state_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.status}"


class Permission(models.TextChoices):
    """Permissions of staff. A superuser has all of them; the ROLES have some."""

    VIEW_MARKETS = "view_markets", "See markets, their bets and their stocks"
    VIEW_PEOPLE = "view_people", "See users, their journals, rewards and purchases"
    VIEW_SYSTEM = "view_system", "See jobs and what staff did"
    MANAGE_HOUSE_MARKETS = "manage_house_markets", "Make and edit house markets"
    DECIDE_MARKETS = "decide_markets", "Close, resolve and void markets"
    REVERSE_MARKETS = "reverse_markets", "Undo a market's settlement"
    SUSPEND_USERS = "suspend_users", "Suspend and restore users, and log them out everywhere"
    HOLD_CREDITS = "hold_credits", "Put a user's credits on hold, and let them go"
    ADJUST_CREDITS = "adjust_credits", "Give and take credits, and approve what another asked for"
    REFUND_PURCHASES = "refund_purchases", "Refund purchases"
    SET_STOCK_PRICES = "set_stock_prices", "Set a stock's price and status"
    SWITCH_JOBS = "switch_jobs", "Switch jobs on and off"
    ANNOUNCE = "announce", "Announce something to users, and withdraw it"
    EXPORT_LISTS = "export_lists", "Export lists as files"
    WRITE_NOTES = "write_notes", "Write notes on users and markets"


# What members of each role may do. Migrations make roles, as `0004_staff_rules`; the audit compares them with this.
ROLES: dict[str, tuple[Permission, ...]] = {
    "support": (
        Permission.VIEW_MARKETS,
        Permission.VIEW_PEOPLE,
        Permission.SUSPEND_USERS,
        Permission.HOLD_CREDITS,
        Permission.WRITE_NOTES,
    ),
    "market managers": (
        Permission.VIEW_MARKETS,
        Permission.MANAGE_HOUSE_MARKETS,
        Permission.DECIDE_MARKETS,
        Permission.REVERSE_MARKETS,
        Permission.SET_STOCK_PRICES,
        Permission.WRITE_NOTES,
    ),
    "finance": (
        Permission.VIEW_MARKETS,
        Permission.VIEW_PEOPLE,
        Permission.ADJUST_CREDITS,
        Permission.REFUND_PURCHASES,
        Permission.EXPORT_LISTS,
        Permission.WRITE_NOTES,
    ),
    # They see everything and change nothing.
    "auditors": (
        Permission.VIEW_MARKETS,
        Permission.VIEW_PEOPLE,
        Permission.VIEW_SYSTEM,
        Permission.EXPORT_LISTS,
    ),
}


class StaffAction(models.Model):
    """The record of a staff member's action: its target, address, reason, and the state before and after. Append-only.

    Written by `accounts.staff.record_action` alone, in the transaction that has the effect, and by `create_superuser`.
    """

    created_at = models.DateTimeField()
    # Null for an action from the command line; the address too.
    staff = models.ForeignKey(User, models.PROTECT, null=True, related_name="staff_actions")
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=50)
    # The model's label, as in "markets.market", and the key of its row.
    target_type = models.CharField(max_length=50)
    target_id = models.CharField(max_length=50)
    reason = models.CharField(max_length=rules.MAX_REASON_LENGTH)
    before = models.JSONField(encoder=DjangoJSONEncoder)
    after = models.JSONField(encoder=DjangoJSONEncoder)
    # A trigger sets them: the place in the chain of all actions, and the SHA-256 of this one and the hash before.
    sequence = models.BigIntegerField(db_default=0, editable=False)
    hash = models.BinaryField(max_length=32, db_default=Value(b""), editable=False)

    class Meta:
        db_table = "staff_actions"
        default_permissions = ()
        permissions: ClassVar[list[tuple[str, Any]]] = [*Permission.choices]
        indexes = [
            models.Index(fields=["target_type", "target_id", "-id"], name="staff_actions_target"),
            models.Index(fields=["staff", "-id"], name="staff_actions_staff"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["sequence"], name="staff_actions_sequence_unique"),
            models.CheckConstraint(condition=~Q(reason=""), name="staff_actions_for_a_reason"),
            models.CheckConstraint(condition=Q(action__regex=r"^[a-z_]+$"), name="staff_actions_action_named"),
        ]

    def __str__(self) -> str:
        return f"{self.action.replace('_', ' ').capitalize()}, {self.created_at:%Y-%m-%d %H:%M:%S}"
