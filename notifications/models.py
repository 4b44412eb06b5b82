"""Notifications of single users, announcements of staff to many, and what of both was read.

How many of a user's notifications are unread, and the number of the newest, are columns of `users`: they change in the
statement that writes the notifications.
"""

import json
from decimal import Decimal
from functools import partialmethod

from django.db import models
from django.db.models import Q

from accounts.models import User
from core.db.sql import new_id
from notifications import rules


class NotificationType(models.TextChoices):
    """The contract's `type`."""

    BET_WON = "bet_won"
    BET_LOST = "bet_lost"
    BET_REFUNDED = "bet_refunded"
    SETTLEMENT_REVERSED = "settlement_reversed"
    DAILY_REWARD = "daily_reward"
    REFERRAL_JOINED = "referral_joined"
    STOCK_LIQUIDATED = "stock_liquidated"
    PURCHASE_COMPLETED = "purchase_completed"
    PURCHASE_REFUNDED = "purchase_refunded"
    CREDITS_ADJUSTED = "credits_adjusted"
    MARKET_CLOSING = "market_closing"


class ExactDecoder(json.JSONDecoder):
    """Reads amounts of credits as they were written: a float would round them."""

    __init__ = partialmethod(json.JSONDecoder.__init__, parse_float=Decimal)


class Notification(models.Model):
    """A notification of one user, written in the transaction of its cause by `notifications.services` alone.

    Its cause is `type`, `reference_id` (the bet, reward, purchase or other row that it is about) and `occurrence`,
    which counts what may happen to one reference again, as a bet's settlements after reversals. `sequence` numbers a
    user's notifications: who writes one holds the user's row, so that numbers are committed in order; some are unused.
    It is read where `read_at` is set, or where its number is not beyond `User.notifications_read_through`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No foreign key: a look-up a row, and users are never deleted. The unique constraint's index begins with it.
    user = models.ForeignKey(User, models.CASCADE, db_index=False, db_constraint=False, related_name="notifications")
    sequence = models.BigIntegerField()
    type = models.CharField(max_length=20, choices=NotificationType)
    reference_id = models.UUIDField()
    occurrence = models.IntegerField(default=0, db_default=0)
    # What the title and the body are made of, and what a client links to: `notifications.messages`.
    data = models.JSONField(decoder=ExactDecoder)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "notifications"
        constraints = [
            models.UniqueConstraint(fields=["user", "sequence"], name="notifications_sequence_unique"),
            # The ids of rows made one after the other begin alike: new ones go to few pages of the index.
            models.UniqueConstraint(fields=["reference_id", "user", "type", "occurrence"], name="notifications_once"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="notifications_sequence_positive"),
            models.CheckConstraint(condition=Q(type__in=NotificationType.values), name="notifications_type_known"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.user_id}"


class NotificationReadMark(models.Model):
    """When a user read all notifications up to a number: one row for each time, however many they were."""

    pk = models.CompositePrimaryKey("user_id", "through")
    # No foreign key: users are never deleted.
    user_id = models.UUIDField()
    through = models.BigIntegerField()
    read_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "notification_read_marks"

    def __str__(self) -> str:
        return f"{self.user_id}: {self.through}"


class Segment(models.TextChoices):
    """Which users an announcement is for, judged when a user reads. Nobody sees one from before they signed up."""

    EVERYBODY = "everybody", "Everybody"
    NEWCOMERS = "newcomers", f"Who signed up in the {rules.NEWCOMER_FOR.days} days before it"
    BETTORS = "bettors", "Who has ever bet"
    NEVER_BET = "never_bet", "Who has never bet"


class Announcement(models.Model):
    """What staff announced to the users of a segment. It has no row a user; `notifications.selectors` merges it in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    segment = models.CharField(max_length=10, choices=Segment)
    title = models.CharField(max_length=rules.MAX_TITLE_LENGTH)
    body = models.CharField(max_length=rules.MAX_BODY_LENGTH)
    created_at = models.DateTimeField(db_index=True)
    # From then on nobody sees it.
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "announcements"
        constraints = [
            models.CheckConstraint(condition=Q(segment__in=Segment.values), name="announcements_segment_known"),
            models.CheckConstraint(condition=~Q(title="") & ~Q(body=""), name="announcements_say_something"),
        ]

    def __str__(self) -> str:
        return self.title


class AnnouncementRead(models.Model):
    """That a user read an announcement, and when."""

    pk = models.CompositePrimaryKey("user_id", "announcement")
    user_id = models.UUIDField()
    announcement = models.ForeignKey(Announcement, models.CASCADE, related_name="reads")
    read_at = models.DateTimeField()

    class Meta:
        db_table = "announcement_reads"

    def __str__(self) -> str:
        return f"{self.user_id}: {self.announcement_id}"
