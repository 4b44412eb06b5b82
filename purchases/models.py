from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from core.db.sql import new_id


class CreditPurchase(models.Model):
    """A purchase of credits, perhaps not yet paid. `credits` and `usd_amount` are those of the package at that time.

    `external_id` names the payment, for the provider or the client: with the provider it is unique, and never empty.
    `checkout_id` and `checkout_url`: the page where it is to be paid, where the provider has one. `reference` is what
    the provider was told to know it by, `payment_id` what the provider calls the payment, once there is one.
    The credits were granted where there is a `completed_at`: the refund of a payment may be known before the payment.
    """

    class Status(models.TextChoices):
        PENDING = "pending"  # to be paid
        COMPLETED = "completed"  # paid, and the credits granted
        FAILED = "failed"  # never paid
        REFUNDED = "refunded"  # paid back, and the credits with it

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The index that lists a user's purchases begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="purchases")
    package_id = models.CharField(max_length=50)
    credits = models.DecimalField(max_digits=18, decimal_places=2)
    usd_amount = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(max_length=10, choices=Status)
    provider = models.CharField(max_length=20)
    external_id = models.CharField(max_length=255)
    checkout_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    checkout_url = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    reference = models.CharField(max_length=64, blank=True, default="", db_default="")
    payment_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    created_at = models.DateTimeField()
    # When the provider was last asked whether it is paid, for want of an event that says so.
    looked_up_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    refunded_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "credit_purchases"
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="credit_purchases_by_user"),
            models.Index(fields=["reference"], condition=~Q(reference=""), name="credit_purchases_reference"),
            models.Index(
                F("looked_up_at").asc(nulls_first=True),
                "created_at",
                condition=Q(status="pending") & ~Q(checkout_id=""),
                name="credit_purchases_to_look_up",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "external_id"], name="credit_purchases_once"),
            models.UniqueConstraint(
                fields=["provider", "checkout_id"], condition=~Q(checkout_id=""), name="credit_purchases_checkout_once"
            ),
            models.UniqueConstraint(
                fields=["provider", "payment_id"], condition=~Q(payment_id=""), name="credit_purchases_payment_once"
            ),
            models.CheckConstraint(
                condition=~Q(provider="") & ~Q(external_id="") & ~Q(package_id=""), name="credit_purchases_named"
            ),
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(credits__gt=0, credits__lt=10**16, usd_amount__gt=0, usd_amount__lt=10**8),
                name="credit_purchases_amounts_positive",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "failed"], completed_at__isnull=True, refunded_at__isnull=True)
                | Q(status="completed", completed_at__isnull=False, refunded_at__isnull=True)
                | Q(status="refunded", refunded_at__isnull=False),
                name="credit_purchases_state_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package_id} by {self.provider}: {self.status}"

    @property
    def credits_granted(self) -> Decimal:
        """The credits that it brought; 0 while unpaid."""
        return self.credits if self.completed_at else Decimal(0)

    @property
    def pending_checkout_url(self) -> str | None:
        """Where to pay, while that is to be done."""
        return (self.checkout_url or None) if self.status == self.Status.PENDING else None


class PurchaseEvent(models.Model):
    """The trail of a purchase: what happened, when, by which staff member or event of the provider. Append-only.

    The reasons of staff are in the staff actions, too; without an `actor` it was the command line.

    `provider_event_id`: the provider's own id of its event, which is processed once.
    """

    class Kind(models.TextChoices):
        STARTED = "started"
        COMPLETED = "completed"
        FAILED = "failed"
        DISPUTED = "disputed"  # for staff: a dispute, a partial or failed refund, a wrong amount, an unknown event
        REFUNDED = "refunded"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purchase = models.ForeignKey(CreditPurchase, models.PROTECT, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+")
    provider_event_id = models.CharField(max_length=255, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "purchase_events"
        # What staff have to judge.
        indexes = [models.Index(fields=["-id"], condition=Q(kind="disputed"), name="purchase_events_disputed")]
        constraints = [
            models.UniqueConstraint(
                fields=["provider_event_id"], condition=~Q(provider_event_id=""), name="purchase_events_taken_in_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.created_at}"


class ProviderEvent(models.Model):
    """An event that the provider sent and signed, kept until it was processed: one that can't be is tried again.

    `body` as it came, emptied once processed: it may name who paid. `error`: why the last attempt failed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=20)
    # The provider's own id of the event; of one whose id can't be read, the hash of its body.
    event_id = models.CharField(max_length=255)
    body = models.BinaryField()
    attempts = models.IntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "provider_events"
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(processed_at__isnull=True), name="provider_events_waiting"
            ),
            models.Index(
                fields=["processed_at"], condition=Q(processed_at__isnull=False), name="provider_events_processed"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="provider_events_once"),
            models.CheckConstraint(
                condition=Q(processed_at__isnull=True, next_attempt_at__isnull=False)
                | Q(processed_at__isnull=False, next_attempt_at__isnull=True, body=b"", error=""),
                name="provider_events_waiting_or_processed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} of {self.provider}"
