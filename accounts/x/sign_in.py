"""The two halves of a sign-in with X: on to X, and back from it to a signed-in user. Each raises XSignInFailed.

X is called between two transactions, never inside one: while it responds, no connection holds anything.
"""

import logging
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts import rules
from accounts.errors import (
    AccountSuspended,
    EmailTaken,
    InvalidReferralCode,
    UsernameReserved,
    UsernameTaken,
    XSignInError,
    XSignInFailed,
)
from accounts.models import User
from accounts.registration import register
from accounts.tokens import Client, TokenPair, issue_token_pair
from accounts.x import protocol
from accounts.x.models import OAuthState
from accounts.x.protocol import PROVIDER, XProfile
from core.api.errors import is_transient

logger = logging.getLogger(__name__)
DENIED = "access_denied"  # RFC 6749, 4.1.2.1
RANDOM_DIGITS = (4, 4, 6, 8, 10, 12)


class SignedIn(NamedTuple):
    user_id: UUID
    tokens: TokenPair


def start_sign_in(request: HttpRequest, *, referral_code: str, browser: str, now: datetime) -> str:
    """Return the address of X's page for one new sign-in of this browser."""
    require_configuration()
    challenge = protocol.new_pkce()
    verifier = challenge.pop("code_verifier")
    with database_failures_reported():
        state = OAuthState.objects.start(verifier=verifier, referral_code=referral_code, browser=browser, now=now)
    return protocol.authorize_url(request, state=state, challenge=challenge)


def finish_sign_in(request: HttpRequest, *, browser: str, client: Client, now: datetime) -> SignedIn:
    """Sign the user in with what X sent back in the query."""
    require_configuration()
    callback = request.GET
    require_success(callback)
    with database_failures_reported():
        pending = OAuthState.objects.consume(state=callback["state"], browser=browser, now=now)
    if pending is None:
        raise XSignInFailed(XSignInError.STATE_EXPIRED)
    profile = protocol.fetch_profile(request, code=callback["code"], verifier=pending.verifier)
    with database_failures_reported():
        try:
            return sign_in(profile=profile, referral_code=pending.referral_code, client=client, now=now)
        except AccountSuspended:
            raise XSignInFailed(XSignInError.ACCOUNT_SUSPENDED) from None


def require_success(callback: Mapping[str, str]) -> None:
    """Raise for a refusal by the user or by X. It needs no state, since it grants nothing; nor is its state used up."""
    if callback.get("error") == DENIED:
        raise XSignInFailed(XSignInError.OAUTH_CANCELLED)
    if callback.get("error"):
        raise XSignInFailed(XSignInError.OAUTH_FAILED, "X says that it failed")
    for name in ("code", "state"):
        if not callback.get(name):
            raise XSignInFailed(XSignInError.OAUTH_FAILED, f"no {name} came back", reason=f"missing_{name}")


def require_configuration() -> None:
    if not protocol.is_configured():
        why = "X_CLIENT_ID and, in production, X_REDIRECT_URI must be set"
        raise XSignInFailed(XSignInError.OAUTH_NOT_CONFIGURED, why)


@contextmanager
def database_failures_reported() -> Iterator[None]:
    """Raise XSignInFailed for a failure of the database, after logging it."""
    try:
        yield
    except DatabaseFailure as error:
        logger.error("sign-in with X: the database failed", exc_info=not is_transient(error))  # noqa: TRY400 - no stack for an outage
        raise XSignInFailed(XSignInError.DATABASE_ERROR, type(error).__name__) from error


def sign_in(*, profile: XProfile, referral_code: str, client: Client, now: datetime) -> SignedIn:
    """Create the user at the first sign-in, take over from X at later ones what they haven't chosen.

    Raises AccountSuspended.

    The user is found by X's id alone: neither a username nor an e-mail address makes anybody the owner of an account.
    """
    with transaction.atomic(durable=True):
        user = update_returning_user(profile) or create_user(profile, referral_code=referral_code, now=now)
        tokens = issue_token_pair(user=user, client=client, now=now)
    return SignedIn(user.pk, tokens)


def update_returning_user(profile: XProfile) -> User | None:
    """Return the user with X's id, updated, or None."""
    mine = User.objects.filter(socialaccount__provider=PROVIDER, socialaccount__uid=profile.x_id)
    # Locked, so that a profile edited at the same moment stays as it was edited.
    user = mine.select_for_update(no_key=True, of=("self",)).first()
    if user:
        user.x_username = profile.username
        if not user.name_chosen:
            user.name = profile.name
        if not user.avatar_chosen:
            # X names no avatar for some accounts: keep the one that is stored.
            user.avatar_url = profile.avatar_url or user.avatar_url
        user.save(update_fields=["name", "x_username", "avatar_url"])
    return user


def create_user(profile: XProfile, *, referral_code: str, now: datetime) -> User:
    """Create a user, trying other usernames and e-mail addresses until none is taken.

    What is taken may have been taken by the same user's sign-in in another window: the unique indexes let one of the
    two create the user, and the other finds it after the conflict.
    """
    usernames, emails = candidate_usernames(profile.username), placeholder_emails(profile.x_id)
    username, email = next(usernames), next(emails)
    while True:
        try:
            return register_user(profile, username=username, email=email, referral_code=referral_code, now=now)
        except InvalidReferralCode:
            logger.warning("sign-in with X: the referral code %s is nobody's, and is ignored", referral_code)
            referral_code = ""
        except (UsernameReserved, UsernameTaken, EmailTaken, IntegrityError) as conflict:
            user = update_returning_user(profile)
            if user:
                return user
            if isinstance(conflict, UsernameReserved | UsernameTaken):
                username = next(usernames)
            elif isinstance(conflict, EmailTaken):
                email = next(emails)
            else:
                raise


def register_user(profile: XProfile, *, username: str, email: str, referral_code: str, now: datetime) -> User:
    """Create the user and its link to X, or neither; the caller's transaction goes on after an error."""
    with transaction.atomic():
        user = register(
            username=username,
            email=email,
            name=profile.name,
            password=None,
            referral_code=referral_code or None,
            avatar_url=profile.avatar_url,
            x_username=profile.username,
            name_chosen=False,
            is_verified=True,
            now=now,
        )
        SocialAccount.objects.create(user=user, provider=PROVIDER, uid=profile.x_id)
    return user


def candidate_usernames(handle: str) -> Iterator[str]:
    """Yield valid usernames to try: the handle itself, then with ever more random digits, then digits alone.

    The last is for a handle with a word that no username may have in it.
    """
    base = clean_username(handle)
    yield base
    for count in RANDOM_DIGITS:
        yield f"{base[: rules.MAX_USERNAME_LENGTH - count]}{secrets.randbelow(10**count):0{count}}"
    yield f"x_{secrets.randbelow(10**12):012}"


def clean_username(handle: str) -> str:
    """Return a valid username: accents are dropped from their letters, other writing altogether."""
    plain = unicodedata.normalize("NFKD", handle)
    kept = re.sub(f"[^{rules.USERNAME_CHARACTERS}]", "", plain)[: rules.MAX_USERNAME_LENGTH]
    return kept if len(kept) >= rules.MIN_USERNAME_LENGTH else f"x_{kept or 'user'}"


def placeholder_emails(x_id: str) -> Iterator[str]:
    """Yield addresses to try, for X gives none. The plain one may be taken by a user who signed up with it."""
    yield f"{x_id}@{rules.X_EMAIL_DOMAIN}"
    while True:
        yield f"{x_id}-{secrets.token_hex(8)}@{rules.X_EMAIL_DOMAIN}"
