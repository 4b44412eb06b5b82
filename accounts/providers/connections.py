"""Linked accounts: those that a user signs in with. List them, link one, unlink one.

Linking is begun and finished by requests of the signed-in user, who has been at the provider meanwhile: what comes back
is of use only together with the finish code, which the request that began was given, and to the same user.
"""

import secrets
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.errors import (
    AlreadyConnected,
    ConnectionNotFound,
    ConnectionTaken,
    LastSignInMethod,
    SignInError,
    SignInFailed,
)
from accounts.mail.queue import queue_mail
from accounts.models import Mail, User
from accounts.providers import sign_in
from accounts.providers.models import RANDOM_BYTES, FormerOAuthAccount, OAuthAccount, OAuthState, account_hash
from accounts.providers.profiles import Profile
from accounts.providers.protocol import PROVIDERS, Provider
from accounts.providers.sign_in import Begun, require_configuration
from core.db.transactions import require_transaction
from core.events import log_event


def list_connections(user_id: UUID) -> QuerySet[OAuthAccount]:
    """Return the user's linked accounts, the first linked first."""
    return OAuthAccount.objects.filter(user_id=user_id).order_by("linked_at", "pk")


def can_unlink(user: User, account: OAuthAccount, accounts: list[OAuthAccount]) -> bool:
    """Return whether the user can sign in otherwise: by a password, or by another account whose provider is offered."""
    others = (other for other in accounts if other.pk != account.pk)
    return user.has_usable_password() or any(PROVIDERS[other.provider].is_configured() for other in others)


def begin_linking(request: HttpRequest, provider: Provider, *, user_id: UUID, now: datetime) -> Begun:
    """Begin to link an account. Raises AlreadyConnected, SignInFailed."""
    require_configuration(provider)
    if list_connections(user_id).filter(provider=provider.name).exists():
        raise AlreadyConnected
    finish_code = secrets.token_urlsafe(RANDOM_BYTES)
    given = {"user_id": user_id, "finish_code": finish_code}
    return Begun(sign_in.to_provider(request, provider, given, now=now), finish_code)


def finish_linking(
    request: HttpRequest,
    provider: Provider,
    *,
    user_id: UUID,
    code: str,
    state: str,
    finish_code: str,
    now: datetime,
) -> OAuthAccount:
    """Link the account whose provider sent `code` and `state` back to the user who began.

    Raises SignInFailed, ConnectionTaken where another user signs in with it, and AlreadyConnected.
    """
    require_configuration(provider)
    pending, is_taken = OAuthState.objects.take(
        provider=provider.name,
        state=state,
        proves=lambda pending: pending.has_code(finish_code, user_id=user_id),
        now=now,
    )
    if pending is None or not is_taken:
        raise SignInFailed(SignInError.STATE_EXPIRED)
    profile = provider.fetch_profile(request, code=code, verifier=pending.verifier)
    with transaction.atomic(durable=True):
        return link_account(user_id, provider.name, profile, now=now)


def link_account(user_id: UUID, provider: str, profile: Profile, *, now: datetime) -> OAuthAccount:
    """Link the account, or update it where it is linked. It verifies no address, and changes no profile.

    Raises ConnectionTaken, AlreadyConnected.
    """
    require_transaction("link_account")
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    found = OAuthAccount.objects.filter(provider=provider, provider_account_id=profile.account_id).first()
    if found and found.user_id != user_id:
        raise ConnectionTaken
    if found is None and list_connections(user_id).filter(provider=provider).exists():
        raise AlreadyConnected
    if found:
        sign_in.record_use(found, profile, now=now)
        found.refresh_from_db()
        return found
    try:
        with transaction.atomic():
            account = sign_in.link(user, provider, profile, fills_profile=False, now=now)
    except IntegrityError:
        # Another user's link or first sign-in was faster.
        raise ConnectionTaken from None
    if provider == "x":
        user.x_username = profile.username
        user.save(update_fields=["x_username"])
    tell_by_mail(user, now=now)
    log_event("a user linked an account", userId=user_id, provider=provider)
    return account


def unlink(*, user_id: UUID, provider: str, now: datetime) -> None:
    """Unlink an account of the user. Raises ConnectionNotFound, LastSignInMethod."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        accounts = list(list_connections(user_id))
        account = next((each for each in accounts if each.provider == provider), None)
        if account and not can_unlink(user, account, accounts):
            raise LastSignInMethod
        remove(user, provider, now=now)


def remove(user: User, provider: str, *, now: datetime) -> None:
    """Unlink the account of this provider, in the caller's transaction, which holds the user's lock.

    Raises ConnectionNotFound.
    """
    require_transaction("remove")
    accounts = list_connections(user.pk).filter(provider=provider)
    if not accounts:
        raise ConnectionNotFound
    delete_links(accounts)
    if provider == "x":
        user.x_username = ""
        user.save(update_fields=["x_username"])
    tell_by_mail(user, now=now)
    log_event("an account was unlinked", userId=user.pk, provider=provider)


def tell_by_mail(user: User, *, now: datetime) -> None:
    """Tell the owner of a verified address: a link that somebody else made would outlive a new password."""
    if user.email_verified_at is not None:
        queue_mail(Mail.Kind.LINKED_ACCOUNTS_CHANGED, address=user.email, user=user, now=now)


def delete_links(accounts: "QuerySet[OAuthAccount]") -> None:
    """Delete links, and keep of each account that it was linked once."""
    former = [FormerOAuthAccount(account_hash(each.provider, each.provider_account_id)) for each in accounts]
    FormerOAuthAccount.objects.bulk_create(former, ignore_conflicts=True)
    accounts.delete()
