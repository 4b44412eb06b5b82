"""Compose mails about accounts, of the templates, when a mail is sent, with a token where it has a link.

`compose` returns None where there is nothing left to say: the address is verified meanwhile, or nobody's, or
the user who was leaving is back.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.timesince import timeuntil

from accounts import rules
from accounts.email_tokens import Purpose, lifetime_of, make_token
from accounts.models import Mail, User

Kind = Mail.Kind
TAKEN = "email_taken"
SUBJECTS = {
    Kind.VERIFY_EMAIL: "Confirm your e-mail address",
    Kind.PASSWORD_RESET: "Choose a new password",
    Kind.EMAIL_CHANGE_REQUESTED: "Your e-mail address is about to change",
    Kind.EMAIL_CHANGED: "Your e-mail address was changed",
    Kind.PASSWORD_CHANGED: "Your password was changed",
    Kind.DELETION_REQUESTED: "Your account is about to be deleted",
    Kind.LINKED_ACCOUNTS_CHANGED: "The ways to sign in to your account changed",
    TAKEN: "You have an account already",
}


def compose(mail: Mail, *, now: datetime) -> EmailMultiAlternatives | None:
    """Return the message, or None. Sets the mail's user where only the address was known."""
    if mail.user is None:
        mail.user = User.objects.with_email(mail.address).first()
    user = mail.user
    if user is None or not (user.is_active or user.is_leaving) or rules.is_refused_domain(mail.address):
        return None
    if mail.kind == Kind.DELETION_REQUESTED:
        due_at = user.deletion_due_at
        return message(mail, mail.kind, user, due=f"{due_at.day} {due_at:%B %Y, %H:%M} UTC") if due_at else None
    if mail.kind == Kind.VERIFY_EMAIL:
        return verification(mail, user, now=now)
    if mail.kind == Kind.PASSWORD_RESET:
        link = link_to("reset", user, Purpose.PASSWORD_RESET, now=now)
        return message(mail, mail.kind, user, link=link, lifetime=in_words(rules.PASSWORD_RESET_LIFETIME))
    return message(mail, mail.kind, user)


def verification(mail: Mail, user: User, *, now: datetime) -> EmailMultiAlternatives | None:
    """Return the mail that verifies an address, or to the owner of one that is taken, that it is; or None."""
    # What verifies an address is refused of who is leaving.
    if user.is_leaving or mail.address.lower() != (address_to_verify(user) or "").lower():
        return None
    if User.objects.with_email(mail.address).exclude(pk=user.pk).exists():
        return message(mail, TAKEN, None)
    link = link_to("verify", user, Purpose.EMAIL_VERIFICATION, now=now)
    return message(mail, mail.kind, user, link=link, lifetime=in_words(lifetime_of(Purpose.EMAIL_VERIFICATION)))


def address_to_verify(user: User) -> str | None:
    """Return the address that a token of this user verifies now, if any."""
    return user.pending_email or (user.email if user.email_verified_at is None else None)


def link_to(page: str, user: User, purpose: Purpose, *, now: datetime) -> str:
    """Return the address of the frontend's page, with a new token."""
    return f"{settings.FRONTEND_URL}/auth/{page}?{urlencode({'token': make_token(user, purpose, now=now)})}"


def message(mail: Mail, template: str, user: User | None, **values: Any) -> EmailMultiAlternatives:
    """Render both forms. Of what users chose themselves only the username is in them: letters, digits and _."""
    subject = f"THISTHAT: {SUBJECTS[template]}"
    context = {"username": user.username if user else "", "subject": subject, "site": settings.FRONTEND_URL, **values}
    made = EmailMultiAlternatives(
        subject,
        render_to_string(f"accounts/mail/{template}.txt", context),
        to=[mail.address],
        # The same if it has to be sent again, so that a mailbox shows it once; and nothing responds by itself.
        headers={"Message-ID": f"<{mail.pk}@{own_domain()}>", "Auto-Submitted": "auto-generated"},
    )
    made.attach_alternative(render_to_string(f"accounts/mail/{template}.html", context), "text/html")
    return made


def own_domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(" >") or "localhost"


def in_words(lifetime: timedelta) -> str:
    """Return a length of time such as "3 days"."""
    begin = datetime(2000, 1, 1)  # noqa: DTZ001 - only the distance is written
    return timeuntil(begin + lifetime, begin).replace("\xa0", " ")
