from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q
from django.db.models.functions import TruncDate

from accounts.models import User
from core.db.sql import new_id
from economy.stocks import models as stocks  # noqa: F401 - Django looks for an app's models here


class TransactionType(models.TextChoices):
    """The contract's `transactionType`."""

    SIGNUP_BONUS = "signup_bonus"
    REFERRAL_BONUS = "referral_bonus"
    DAILY_REWARD = "daily_reward"
    BET_PLACED = "bet_placed"
    BET_PAYOUT = "bet_payout"
    BET_REFUND = "bet_refund"
    POSITION_SOLD = "position_sold"
    STOCK_PURCHASE = "stock_purchase"
    STOCK_SALE = "stock_sale"
    CREDIT_PURCHASE = "credit_purchase"
    PURCHASE_REFUND = "purchase_refund"
    ADMIN_ADJUSTMENT = "admin_adjustment"
    SETTLEMENT_REVERSAL = "settlement_reversal"


class Counterparty(models.TextChoices):
    """The counterparty account of a ledger entry. It has no row: its balance is minus the sum of its entries."""

    ISSUANCE = "issuance"  # credits given away
    ESCROW = "escrow"  # stakes of bets, and what bets pay
    HOUSE = "house"  # lends what a user can't give back yet, and subsidizes its markets
    STOCKS = "stocks"
    STORE = "store"  # credits bought
    STAFF = "staff"


IN, OUT = Q(amount__gt=0), Q(amount__lt=0)
EITHER = IN | OUT
# The counterparty accounts of each type of entry, and which way credits may go, seen from the user.
DIRECTIONS: dict[TransactionType, dict[Counterparty, Q]] = {
    TransactionType.SIGNUP_BONUS: {Counterparty.ISSUANCE: IN},
    TransactionType.REFERRAL_BONUS: {Counterparty.ISSUANCE: IN},
    TransactionType.DAILY_REWARD: {Counterparty.ISSUANCE: IN},
    TransactionType.BET_PLACED: {Counterparty.ESCROW: OUT},
    TransactionType.BET_PAYOUT: {Counterparty.ESCROW: IN},
    TransactionType.BET_REFUND: {Counterparty.ESCROW: IN},
    TransactionType.POSITION_SOLD: {Counterparty.ESCROW: IN},
    TransactionType.STOCK_PURCHASE: {Counterparty.STOCKS: OUT},
    TransactionType.STOCK_SALE: {Counterparty.STOCKS: IN},
    TransactionType.CREDIT_PURCHASE: {Counterparty.STORE: IN},
    # With the house: a loan, where the user hasn't enough to give back, and later its repayment.
    TransactionType.PURCHASE_REFUND: {Counterparty.STORE: OUT, Counterparty.HOUSE: EITHER},
    TransactionType.ADMIN_ADJUSTMENT: {Counterparty.STAFF: EITHER},
    TransactionType.SETTLEMENT_REVERSAL: {Counterparty.ESCROW: OUT, Counterparty.HOUSE: EITHER},
}
# What may happen more than once to one reference, each time under the next number.
RECURRING = (
    TransactionType.BET_PAYOUT,
    TransactionType.BET_REFUND,
    TransactionType.POSITION_SOLD,
    TransactionType.PURCHASE_REFUND,
    TransactionType.SETTLEMENT_REVERSAL,
)


def directions() -> Q:
    """Return the condition that an entry's type, counterparty and sign go together."""
    allowed = Q()
    for transaction_type, accounts in DIRECTIONS.items():
        for counterparty, sign in accounts.items():
            allowed |= Q(transaction_type=transaction_type, counterparty=counterparty) & sign
    return allowed


class CreditTransaction(models.Model):
    """A ledger entry: credits that moved between a user and a counterparty account, written by `economy.ledger` alone.

    Entries are never changed nor deleted (triggers refuse it); a correction is another entry. `occurrence` numbers
    what may happen to one reference again: the sales of a bet, its settlements after reversals.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it. Triggers do what a foreign key would, which would look for the user
    # once more: an entry has to be its user's next one, and a user with entries can't be deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, db_constraint=False, related_name="transactions"
    )
    sequence = models.BigIntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    balance_after = models.DecimalField(max_digits=18, decimal_places=2)
    transaction_type = models.CharField(max_length=20, choices=TransactionType)
    counterparty = models.CharField(max_length=10, choices=Counterparty)
    reference_id = models.UUIDField()
    occurrence = models.IntegerField(default=0, db_default=0)
    description = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    # SHA-256 of the entry and of the user's entry before it: `ledger_hash` in the database, docs/ledger.md.
    hash = models.BinaryField(max_length=32, editable=False)

    class Meta:
        db_table = "credit_transactions"
        indexes = [
            models.Index(fields=["user", "transaction_type", "sequence"], name="credit_transactions_by_type"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "sequence"], name="credit_transactions_sequence_unique"),
            models.UniqueConstraint(
                fields=["reference_id", "transaction_type", "counterparty", "occurrence"],
                name="credit_transactions_once",
            ),
            models.UniqueConstraint(
                fields=["reference_id", "occurrence"],
                condition=Q(transaction_type__in=["bet_payout", "bet_refund"]),
                name="credit_transactions_settled_once",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="credit_transactions_amount_not_zero"),
            # NaN is greater than any number; numeric(18,2) itself has no infinity.
            models.CheckConstraint(
                condition=Q(amount__lt=10**16, balance_after__lt=10**16), name="credit_transactions_amounts_are_numbers"
            ),
            models.CheckConstraint(condition=directions(), name="credit_transactions_direction"),
            models.CheckConstraint(condition=Q(balance_after__gte=0), name="credit_transactions_balance_not_negative"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="credit_transactions_sequence_positive"),
            models.CheckConstraint(
                condition=Q(occurrence=0) | Q(occurrence__gt=0, transaction_type__in=RECURRING),
                name="credit_transactions_occurrence_valid",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_type} {self.amount}"


class HouseEntry(models.Model):
    """A ledger entry between two counterparty accounts, the house and escrow, written by `economy.ledger` alone.

    What the house may lose on a market that prices itself lies in escrow while the market runs. `amount` is positive
    from the house to escrow, negative back. `reference_id`: the market; `occurrence` numbers its entries of a type.
    A chain: a trigger makes `sequence` and `hash`, over this row and the hash before. Append-only.
    """

    class Type(models.TextChoices):
        SUBSIDY = "subsidy"  # the market was made, or got more liquidity
        SUBSIDY_RETURN = "subsidy_return"  # what is left when the market is settled
        SUBSIDY_REVERSAL = "subsidy_reversal"  # its settlement was undone

    sequence = models.BigIntegerField(primary_key=True)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    entry_type = models.CharField(max_length=20, choices=Type)
    reference_id = models.UUIDField()
    occurrence = models.IntegerField()
    created_at = models.DateTimeField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "house_entries"
        constraints = [
            models.UniqueConstraint(fields=["reference_id", "entry_type", "occurrence"], name="house_entries_once"),
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(entry_type__in=["subsidy", "subsidy_reversal"], amount__gt=0, amount__lt=10**16)
                | Q(entry_type="subsidy_return", amount__lt=0),
                name="house_entries_direction",
            ),
            models.CheckConstraint(condition=Q(occurrence__gte=0), name="house_entries_occurrence_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_type} {self.amount}"


class LedgerAnchor(models.Model):
    """What all chains came to at one moment (`economy.ledger.anchors`); each covers the one before. Append-only.

    `users`: all; `entries`: the ledger's; `circulation`: the sum of all balances. `counterparties`: the balance of
    each, as text. `chains`: length and head of the other chains. `heads_hash`: over the heads that moved since the
    anchor before. A trigger makes `hash`, over all of these. `filed_at`, `posted_at`: when it was published.
    """

    sequence = models.BigIntegerField(primary_key=True)
    anchored_at = models.DateTimeField()
    users = models.BigIntegerField()
    entries = models.BigIntegerField()
    circulation = models.DecimalField(max_digits=24, decimal_places=2)
    counterparties = models.JSONField()
    chains = models.JSONField()
    heads_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    filed_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_anchors"
        indexes = [
            models.Index(fields=["sequence"], condition=Q(filed_at__isnull=True), name="ledger_anchors_unfiled"),
            models.Index(fields=["sequence"], condition=Q(posted_at__isnull=True), name="ledger_anchors_unposted"),
        ]
        constraints = [models.CheckConstraint(condition=Q(circulation__lt=10**22), name="ledger_anchors_hold_numbers")]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.entries} entries"


class LedgerAnchorHead(models.Model):
    """The last hash of a user who had new entries when an anchor was made. Append-only.

    Evidence, which stays as it is whatever becomes of the rows that it is about: it has no foreign keys.
    """

    pk = models.CompositePrimaryKey("user_id", "sequence")
    user_id = models.UUIDField()
    sequence = models.BigIntegerField()
    anchor = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_anchor_heads"

    def __str__(self) -> str:
        return f"{self.user_id} {self.sequence}"


# NaN is greater than any number.
ALL_NUMBERS = Func(F("numbers"), template="1e18 > ALL (%(expressions)s)", output_field=models.BooleanField())


class RecordedRule(models.Model):
    """The numbers of a rule, recorded when they first had an effect, by `economy.recorded_rules`; never changed.

    A rule that is changed gets another row: the audit compares what was given years ago with the rules of that time.
    """

    name = models.CharField(max_length=80)
    numbers = ArrayField(models.DecimalField(max_digits=26, decimal_places=8))
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "recorded_rules"
        constraints = [
            models.UniqueConstraint(fields=["name", "numbers"], name="recorded_rules_once"),
            models.CheckConstraint(condition=Q(ALL_NUMBERS) & Q(numbers__len__gt=0), name="recorded_rules_are_numbers"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.numbers}"


class DailyReward(models.Model):
    """What a user got for a UTC day: one row a day, written by `economy.rewards` alone, together with the streak.

    `streak`: how many consecutive days, this one included, were rewarded. `created_at` is after the day where it
    had ended before it was rewarded.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="daily_rewards")
    day = models.DateField()
    streak = models.IntegerField()
    credits = models.DecimalField(max_digits=18, decimal_places=2)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "daily_rewards"
        constraints = [
            models.UniqueConstraint(fields=["user", "day"], name="daily_rewards_once_a_day"),
            models.CheckConstraint(condition=Q(streak__gte=1), name="daily_rewards_streak_positive"),
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(credits__gt=0, credits__lt=10**16), name="daily_rewards_credits_positive"
            ),
            models.CheckConstraint(condition=Q(day__lte=TruncDate("created_at")), name="daily_rewards_day_has_begun"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: day {self.streak}"


class Debt(models.Model):
    """What the house lent a user for one bet or purchase that was undone, and what was repaid of it since.

    A trigger keeps it, from the ledger's entries with the house. `entries` is how many those are: the next one's
    `occurrence`.
    """

    pk = models.CompositePrimaryKey("reference_id", "transaction_type")
    reference_id = models.UUIDField()
    transaction_type = models.CharField(max_length=20, choices=TransactionType)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="debts")
    lent = models.DecimalField(max_digits=18, decimal_places=2)
    repaid = models.DecimalField(max_digits=18, decimal_places=2)
    entries = models.IntegerField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "debts"
        indexes = [
            models.Index(fields=["user", "created_at"], condition=Q(repaid__lt=models.F("lent")), name="debts_open")
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(lent__lt=10**16, repaid__lt=10**16), name="debts_hold_numbers"),
            models.CheckConstraint(condition=Q(lent__gt=0, repaid__gte=0), name="debts_sums_not_negative"),
            models.CheckConstraint(
                condition=Q(repaid__lte=models.F("lent")), name="debts_repaid_at_most_what_was_lent"
            ),
            models.CheckConstraint(condition=Q(entries__gte=1), name="debts_entries_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.lent - self.repaid} for {self.reference_id}"


class CreditAdjustment(models.Model):
    """Credits that staff gave (positive) or took, or ask a second of them for: written by `economy.adjustments` alone.

    Its terms are never changed (a trigger refuses it), and a decision is final. The ledger entry refers to its id.
    `request_id` comes with the form, so that what is sent twice is done once.
    """

    class Status(models.TextChoices):
        APPLIED = "applied"  # at once, being within the limit
        PENDING = "pending"  # waits for a second member of the staff
        APPROVED = "approved"
        DECLINED = "declined"  # by another, or withdrawn by who asked

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request_id = models.UUIDField()
    # The indexes begin with these.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="adjustments")
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    # What one of the staff could move alone when it was asked for.
    limit_in_force = models.DecimalField(max_digits=18, decimal_places=2)
    reason = models.CharField(max_length=500)
    status = models.CharField(max_length=8, choices=Status)
    # Null for who used a command.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "credit_adjustments"
        indexes = [
            models.Index(fields=["user", "-id"], name="credit_adjustments_of_user"),
            models.Index(
                fields=["user", "requested_by", "created_at"],
                condition=Q(status="applied"),
                name="credit_adjustments_applied",
            ),
            models.Index(fields=["-id"], condition=Q(status="pending"), name="credit_adjustments_pending"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["request_id"], name="credit_adjustments_requested_once"),
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=~Q(amount=0) & Q(amount__lt=10**16), name="credit_adjustments_amount_not_zero"
            ),
            models.CheckConstraint(
                condition=Q(limit_in_force__gte=0, limit_in_force__lt=10**16),
                name="credit_adjustments_limit_not_negative",
            ),
            models.CheckConstraint(
                condition=~Q(status="applied")
                | Q(amount__gte=-models.F("limit_in_force"), amount__lte=models.F("limit_in_force")),
                name="credit_adjustments_alone_within_limit",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="credit_adjustments_for_a_reason"),
            models.CheckConstraint(
                condition=Q(status__in=["applied", "pending"], decided_at__isnull=True, decided_by__isnull=True)
                & Q(decision_reason="")
                | Q(status__in=["approved", "declined"], decided_at__isnull=False, decided_by__isnull=False)
                & ~Q(decision_reason=""),
                name="credit_adjustments_state_possible",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True)
                | (Q(requested_by__isnull=True) | ~Q(decided_by=models.F("requested_by")) | Q(status="declined"))
                & ~Q(decided_by=models.F("user")),
                name="credit_adjustments_decided_by_another",
            ),
            models.CheckConstraint(
                condition=Q(requested_by__isnull=True) | ~Q(requested_by=models.F("user")),
                name="credit_adjustments_of_nobodys_own",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+,.2f} credits, {self.status}"

    @property
    def is_withdrawn(self) -> bool:
        """Whether who asked for it took it back."""
        return self.decided_by_id is not None and self.decided_by_id == self.requested_by_id


class UnpaidReferrals(models.Manager["UnpaidReferral"]):
    def get_queryset(self) -> "models.QuerySet[UnpaidReferral]":
        bonus = CreditTransaction.objects.filter(reference_id=OuterRef("pk"), transaction_type="referral_bonus")
        return super().get_queryset().filter(~Exists(bonus), referred_by__isnull=False)


class UnpaidReferral(User):
    """A user who signed up with a code that brought no bonus.

    They aren't verified, or the referrer was suspended or beyond the daily cap when they were.
    """

    objects = UnpaidReferrals()  # type: ignore[assignment,misc]

    class Meta:
        proxy = True
