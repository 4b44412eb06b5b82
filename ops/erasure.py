"""Erase a user's personal data for good; the ledger still balances.

Credits, open bets and holdings stay with the account: bets are settled as any other, and nobody can sign in to
use what they bring. The record says that a user was erased, when and why, and not who it was.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q

from accounts.erasure import erase_personal_data
from accounts.errors import NotAllowed
from accounts.models import User
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from core.api.errors import delete_refusals
from core.db.transactions import require_transaction, run_transaction
from core.models import IdempotencyKey


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
    SocialAccount.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).delete()
    # Stored responses may contain personal data.
    IdempotencyKey.objects.filter(user_id=user.pk).delete()
    about = Q(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    LogEntry.objects.filter(Q(user=user) | about).delete()
