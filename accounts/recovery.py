"""Get back into an account whose password is forgotten, by a mail to its address."""

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import passwords, services, tokens, verification
from accounts.email_tokens import EmailToken, Purpose, read_token
from accounts.errors import InvalidToken
from accounts.mail.queue import queue_mail
from accounts.models import Mail, RefreshToken, User
from accounts.services import SignedIn
from accounts.tokens import Client


def request_password_reset(*, email: str, now: datetime) -> None:
    """Queue a mail to the address, whether or not it is anybody's.

    Who has it is looked up by the task that sends the mail: this takes the same statements, and so the same time, for
    every address. An address that isn't verified gets the mail too: without it its owner could never get in, and who
    uses the link has thereby verified it.
    """
    with transaction.atomic(durable=True):
        queue_mail(Mail.Kind.PASSWORD_RESET, address=email.strip(), user=None, now=now)


def reset_password(*, token: str, password: str, client: Client, now: datetime) -> SignedIn:
    """Set a new password, end all sessions, verify the address that the token was mailed to, and sign in.

    Raises InvalidToken, also for a token that was used; ValidationError for a weak password, which leaves the token
    good; and AccountSuspended.
    """
    found = read_token(token, Purpose.PASSWORD_RESET, now=now)
    user = require_fit(found, User.objects.filter(pk=found.user_id).first())
    passwords.validate_strength(password, user=user)
    # Slow on purpose, so outside the transaction.
    encoded = make_password(password)
    with transaction.atomic(durable=True):
        # Of two requests with one token, the second waits here and finds the state changed.
        held = require_fit(found, verification.lock_with_referrer(found.user_id))
        services.store_password(held, encoded, now=now)
        tokens.end_all_sessions(user=held, reason=RefreshToken.Reason.PASSWORD_CHANGED, now=now)
        if held.email_verified_at is None:
            verification.mark_verified(held, now=now)
        return services.sign_in(held, client=client, now=now)


def require_fit(token: EmailToken, user: User | None) -> User:
    """Return the user. Raises InvalidToken where there is none, or where the token was for another state of theirs."""
    if user is None or not token.fits(user):
        raise InvalidToken
    return user
