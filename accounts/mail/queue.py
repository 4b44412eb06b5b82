"""Queue mails about accounts, and send what is queued: each once, tried again while the mail server is away.

A row of `mails` is written in the transaction that is the reason for the mail, so that neither is there without the
other. A task sends it at once; a periodic sweep sends what the task didn't. What a mail says, and its token, is made
when it is sent (`accounts.mail.messages`): neither the table, the broker nor a log ever has it.

A worker claims a mail before it sends it, so that no two send one. A worker that dies between the server's acceptance
and the record of it leaves a claim that ends, and the mail is sent a second time, under the same Message-ID.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from accounts import rules
from accounts.mail.messages import compose
from accounts.models import Mail, User
from core.db.sql import new_id
from core.db.transactions import require_no_transaction, require_transaction
from core.resilience import CircuitBreaker, Deadline

logger = logging.getLogger(__name__)
Kind, Status = Mail.Kind, Mail.Status
PERMANENT = 500  # replies from there on say that trying again won't help: RFC 5321, 4.2.1

# Sent with `mail_id` once a mail is committed.
mail_queued = Signal()

_breaker = CircuitBreaker("the mail server", fallback="mails wait for the next sweep")


def queue_mail(kind: Mail.Kind, *, address: str, user: User | None, now: datetime) -> None:
    """Queue a mail in the caller's transaction, unless the same one waits already."""
    require_transaction("queue_mail")
    mail = Mail(id=new_id(), kind=kind, address=address, user=user, created_at=now, next_attempt_at=now)
    Mail.objects.bulk_create([mail], ignore_conflicts=True)
    transaction.on_commit(lambda: mail_queued.send(sender=Mail, mail_id=mail.pk))


def send_mail(*, mail_id: UUID, now: datetime) -> Mail.Status | None:
    """Send a mail that is due, and return what became of it; None where there is nothing to do now."""
    require_no_transaction("send_mail")
    if not _breaker.allows():
        return None
    mail = claim(mail_id, now=now)
    if mail is None:
        return None
    message = compose(mail, now=now)
    if message is None:
        return drop(mail)
    return deliver(mail, message, now=now)


def claim(mail_id: UUID, *, now: datetime) -> Mail | None:
    """Return the mail if it is due, and keep others from sending it meanwhile."""
    due = Mail.objects.filter(pk=mail_id, status=Status.QUEUED, next_attempt_at__lte=now)
    if not due.update(attempts=F("attempts") + 1, next_attempt_at=now + rules.MAIL_CLAIMED_FOR):
        return None
    return Mail.objects.select_related("user").filter(pk=mail_id).first()


def drop(mail: Mail) -> Mail.Status:
    """Send nothing; of an address that is nobody's, nothing is kept."""
    if mail.user_id is None:
        Mail.objects.filter(pk=mail.pk).delete()
    else:
        finish(mail, Status.DROPPED)
    return Status.DROPPED


def deliver(mail: Mail, message: EmailMultiAlternatives, *, now: datetime) -> Mail.Status:
    """Hand the message to the mail server, and record the result."""
    try:
        message.send()
    except (SMTPException, OSError) as exc:
        return note_failure(mail, exc, now=now)
    _breaker.record_success()
    finish(mail, Status.SENT, sent_at=now)
    return Status.SENT


def note_failure(mail: Mail, exc: Exception, *, now: datetime) -> Mail.Status:
    """Record the failure, and when the mail is tried again; after a refusal for good, or a day, never."""
    code = reply_code(exc)
    error = f"{type(exc).__name__} {code or ''}".strip()
    logger.warning("mail %s couldn't be sent: %s", mail.pk, error)
    # The server replied about this mail, so it is there for others.
    if code is None:
        _breaker.record_failure(exc)
    else:
        _breaker.record_success()
    is_over = mail.created_at <= now - rules.MAIL_GIVEN_UP_AFTER
    if is_over or (isinstance(exc, SMTPRecipientsRefused) and (code or 0) >= PERMANENT):
        finish(mail, Status.FAILED, error=error)
        return Status.FAILED
    again_at = now + wait_after(mail.attempts)
    Mail.objects.filter(pk=mail.pk, status=Status.QUEUED).update(error=error, next_attempt_at=again_at)
    return Status.QUEUED


def reply_code(exc: Exception) -> int | None:
    """Return the code that the server replied with; None where it didn't reply."""
    if isinstance(exc, SMTPRecipientsRefused):
        return next((code for code, _ in exc.recipients.values()), None)
    return exc.smtp_code if isinstance(exc, SMTPResponseException) and exc.smtp_code > 0 else None


def wait_after(attempts: int) -> timedelta:
    doublings: int = min(attempts - 1, 30)
    return min(rules.MAIL_RETRY_FIRST * (1 << doublings), rules.MAIL_RETRY_MAX)


def finish(mail: Mail, status: Mail.Status, *, sent_at: datetime | None = None, error: str = "") -> None:
    Mail.objects.filter(pk=mail.pk).update(
        status=status, user=mail.user, next_attempt_at=None, sent_at=sent_at, error=error
    )


def send_due(*, now: datetime) -> dict[str, Any]:
    """Send what is due, the longest due first, and delete old records; return `{sent, failed, deleted}`.

    Ends early where the server is away: the rest stays due.
    """
    due = Mail.objects.filter(status=Status.QUEUED, next_attempt_at__lte=now).order_by("next_attempt_at")
    deadline, results = Deadline(rules.MAIL_RUN_SECONDS), list[Mail.Status | None]()
    for mail_id in list(due.values_list("pk", flat=True)[: rules.MAILS_PER_RUN]):
        if (_breaker.is_open and results) or deadline.remaining() <= 0:
            break
        results.append(send_mail(mail_id=mail_id, now=now))
    deleted, _ = Mail.objects.filter(created_at__lte=now - rules.MAILS_KEPT_FOR).delete()
    return {"sent": count(results, {Status.SENT}), "failed": count(results, {Status.FAILED}), "deleted": deleted}


def count(results: Collection[Mail.Status | None], wanted: Collection[Mail.Status]) -> int:
    return sum(result in wanted for result in results)
