"""Verify that a person reads the mail to their address, at first and for every new one.

A new address is `pending_email` until the link that was mailed there comes back. Whether somebody else has that address
isn't told to the current user: the mail tells its owner. The unique index decides when it is verified.
"""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.email_tokens import Purpose, read_token
from accounts.errors import AccountLeaving, AccountSuspended, AlreadyVerified, InvalidToken
from accounts.mail.messages import address_to_verify
from accounts.mail.queue import queue_mail
from accounts.models import Mail, User
from accounts.registration import as_domain_error, normalise_email, user_verified
from core.db.transactions import require_transaction
from core.events import log_event

Kind = Mail.Kind


def verify_email(*, token: str, now: datetime) -> User:
    """Verify the address that the token was mailed to, which becomes the user's; return the user.

    Raises InvalidToken, also for a token that was used; AccountLeaving, AccountSuspended; and EmailTaken where somebody
    else has the new address by now.
    """
    found = read_token(token, Purpose.EMAIL_VERIFICATION, now=now)
    with transaction.atomic(durable=True):
        # Of two requests with one token, the second waits here and finds the state changed.
        user = lock_with_referrer(found.user_id)
        if user is None or not found.fits(user) or address_to_verify(user) is None:
            raise InvalidToken
        if user.is_leaving:
            raise AccountLeaving
        if not user.is_active:
            raise AccountSuspended
        if user.pending_email:
            take_pending_email(user, now=now)
        if user.email_verified_at is None:
            mark_verified(user, now=now)
        return user


def take_pending_email(user: User, *, now: datetime) -> None:
    """Make the pending address the user's, and tell the old one. Raises EmailTaken."""
    old, was_verified = user.email, user.email_verified_at is not None
    user.email, user.pending_email = user.pending_email, ""
    try:
        with transaction.atomic():
            user.save(update_fields=["email", "pending_email"])
    except IntegrityError as exc:
        raise as_domain_error(exc) from exc
    if was_verified:
        queue_mail(Kind.EMAIL_CHANGED, address=old, user=user, now=now)
    log_event("a user changed their e-mail address", userId=user.pk)


def mark_verified(user: User, *, now: datetime) -> None:
    """Record that the locked user's address is verified, for the first time, and send `user_verified`."""
    require_transaction("mark_verified")
    user.email_verified_at = now
    user.save(update_fields=["email_verified_at"])
    user_verified.send(sender=User, user=user, referrer=user.referred_by, now=now)
    log_event("a user verified their e-mail address", userId=user.pk)


def lock_with_referrer(user_id: UUID) -> User | None:
    """Return the user, locked as is who referred them: in the order of their ids, in which all lock users."""
    require_transaction("lock_with_referrer")
    # Who referred a user never changes.
    referrer_id = User.objects.filter(pk=user_id).values_list("referred_by_id", flat=True).first()
    users = User.objects.select_for_update(no_key=True).filter(pk__in=[user_id, referrer_id]).order_by("pk")
    return next((user for user in users if user.pk == user_id), None)


def resend_verification(*, user_id: UUID, now: datetime) -> None:
    """Queue the mail again that verifies the user's address. Raises AlreadyVerified."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        queue_verification(user, now=now)


def queue_verification(user: User, *, now: datetime) -> None:
    """Queue the mail that verifies the user's address, in the caller's transaction. Raises AlreadyVerified."""
    address = address_to_verify(user)
    if address is None:
        raise AlreadyVerified
    queue_mail(Kind.VERIFY_EMAIL, address=address, user=user, now=now)


def request_email_change(user: User, email: str, *, now: datetime) -> None:
    """Make the address the locked user's pending one, mail it the link, and tell the present one.

    The user's own address instead takes a change back.
    """
    require_transaction("request_email_change")
    wanted = normalise_email(email)
    user.pending_email = "" if wanted == user.email else wanted
    user.save(update_fields=["pending_email"])
    if user.pending_email:
        queue_verification(user, now=now)
        if user.email_verified_at is not None:
            queue_mail(Kind.EMAIL_CHANGE_REQUESTED, address=user.email, user=user, now=now)
