"""The two halves of a sign-in with a provider: on to it, and back to a signed-in user. Each raises SignInFailed.

The second half is finished by the browser that began, which has a cookie, or by the frontend that began, which has the
finish code: whoever has neither gets nothing. The provider is called between two transactions, never inside one: while
it responds, no connection holds anything.
"""

import logging
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts import rules, services, tokens
from accounts.errors import (
    AccountSuspended,
    EmailTaken,
    InvalidReferralCode,
    Reason,
    SignInError,
    SignInFailed,
    UsernameReserved,
    UsernameTaken,
)
from accounts.models import User
from accounts.providers.models import RANDOM_BYTES, FormerOAuthAccount, OAuthAccount, OAuthState, account_hash
from accounts.providers.profiles import Profile
from accounts.providers.protocol import Provider
from accounts.registration import register
from accounts.services import SignedIn
from accounts.tokens import Client

logger = logging.getLogger(__name__)
DENIED = "access_denied"  # RFC 6749, 4.1.2.1
RANDOM_DIGITS = (4, 4, 6, 8, 10, 12)
MAX_CODE_LENGTH = 2000


class Begun(NamedTuple):
    """Say where the browser goes, and what the frontend may finish with."""

    url: str
    finish_code: str


class Linking(NamedTuple):
    """What came back for a user who links an account, for the frontend to finish with."""

    code: str
    state: str


def start_sign_in(
    request: HttpRequest,
    provider: Provider,
    *,
    browser: str,
    referral_code: str,
    now: datetime,
    with_finish_code: bool = False,
) -> Begun:
    """Begin one new sign-in of this browser."""
    require_configuration(provider)
    finish_code = secrets.token_urlsafe(RANDOM_BYTES) if with_finish_code else ""
    given = {"browser": browser, "finish_code": finish_code, "referral_code": referral_code}
    return Begun(to_provider(request, provider, given, now=now), finish_code)


def to_provider(request: HttpRequest, provider: Provider, given: Mapping[str, object], *, now: datetime) -> str:
    """Store a new state with what it is `given`, and return the address of the provider's page."""
    challenge = provider.new_pkce()
    verifier = challenge.pop("code_verifier")
    state = OAuthState.objects.start(provider=provider.name, verifier=verifier, now=now, **given)  # type: ignore[arg-type]
    return provider.authorize_url(request, state=state, verifier=verifier, challenge=challenge)


def come_back(
    request: HttpRequest, provider: Provider, *, browser: str, client: Client, now: datetime
) -> SignedIn | Linking:
    """Sign the user in with what the provider sent back in the query, in the browser that began.

    Who links an account finishes that by a request of their own: nothing is done for them here.
    """
    require_configuration(provider)
    callback = request.GET
    require_success(callback)
    code, state = callback["code"][:MAX_CODE_LENGTH], callback["state"]
    pending, is_taken = OAuthState.objects.take(
        provider=provider.name, state=state, proves=lambda pending: pending.began_in(browser), now=now
    )
    if pending is None:
        raise SignInFailed(SignInError.STATE_EXPIRED)
    if pending.user_id:
        return Linking(code, state)
    if not is_taken:
        handed_on = {"provider": provider.name, "code": code, "state": state} if pending.finish_hash else None
        raise SignInFailed(SignInError.STATE_EXPIRED, reason=Reason.OTHER_BROWSER, handed_on=handed_on)
    return complete(request, provider, pending, code=code, client=client, now=now)


def finish_sign_in(
    request: HttpRequest,
    provider: Provider,
    *,
    code: str,
    state: str,
    finish_code: str,
    client: Client,
    now: datetime,
) -> SignedIn:
    """Sign the user in with what came back in another browser, for the frontend that began."""
    require_configuration(provider)
    pending, is_taken = OAuthState.objects.take(
        provider=provider.name, state=state, proves=lambda pending: pending.has_code(finish_code), now=now
    )
    if pending is None or not is_taken:
        raise SignInFailed(SignInError.STATE_EXPIRED)
    return complete(request, provider, pending, code=code, client=client, now=now)


def complete(
    request: HttpRequest, provider: Provider, pending: OAuthState, *, code: str, client: Client, now: datetime
) -> SignedIn:
    profile = provider.fetch_profile(request, code=code, verifier=pending.verifier)
    try:
        return sign_in(provider.name, profile, referral_code=pending.referral_code, client=client, now=now)
    except AccountSuspended:
        raise SignInFailed(SignInError.ACCOUNT_SUSPENDED) from None


def require_success(callback: Mapping[str, str]) -> None:
    """Raise for a refusal by user or provider. It needs no state, since it grants nothing; nor is one used up."""
    if callback.get("error") == DENIED:
        raise SignInFailed(SignInError.OAUTH_CANCELLED)
    if callback.get("error"):
        raise SignInFailed(SignInError.OAUTH_FAILED, "the provider says that it failed")
    for name, reason in (("code", Reason.MISSING_CODE), ("state", Reason.MISSING_STATE)):
        if not callback.get(name):
            raise SignInFailed(SignInError.OAUTH_FAILED, f"no {name} came back", reason=reason)


def require_configuration(provider: Provider) -> None:
    if not provider.is_configured():
        name = provider.name.upper()
        why = f"{name}_CLIENT_ID, {name}_CLIENT_SECRET and, in production, {name}_REDIRECT_URI must be set"
        raise SignInFailed(SignInError.OAUTH_NOT_CONFIGURED, why)


# Users


def sign_in(provider: str, profile: Profile, *, referral_code: str, client: Client, now: datetime) -> SignedIn:
    """Create the user at the first sign-in, take over at later ones what they haven't chosen.

    Raises AccountSuspended, and SignInFailed where a new user's address is somebody else's.

    The user is found by the provider's id alone: neither a username nor an e-mail address makes anybody the owner of an
    account.
    """
    with transaction.atomic(durable=True):
        user = update_returning_user(provider, profile, now=now)
        user = user or create_user(provider, profile, referral_code=referral_code, now=now)
        return services.sign_in(user, client=client, now=now)


def update_returning_user(provider: str, profile: Profile, *, now: datetime) -> User | None:
    """Return the user who signs in with this account, updated, or None."""
    account = OAuthAccount.objects.filter(provider=provider, provider_account_id=profile.account_id).first()
    # Locked, so that a profile edited at the same moment stays as it was edited.
    user = tokens.lock_user(account.user_id) if account else None
    if account is None or user is None or not record_use(account, profile, now=now):
        return None
    if provider == "x":
        user.x_username = profile.username
    if account.fills_profile and not user.name_chosen:
        user.name = profile.name
    if account.fills_profile and not user.avatar_chosen:
        # Some accounts have no avatar there: keep the one that is stored.
        user.avatar_url = profile.avatar_url or user.avatar_url
    user.save(update_fields=["name", "x_username", "avatar_url"])
    return user


def record_use(account: OAuthAccount, profile: Profile, *, now: datetime) -> bool:
    """Store what the provider says now, and the time; return whether the account is linked still."""
    return bool(OAuthAccount.objects.filter(pk=account.pk).update(**as_seen(profile), last_used_at=now))


def as_seen(profile: Profile) -> dict[str, object]:
    return {
        "username": profile.username,
        "name": profile.name,
        "avatar_url": profile.avatar_url,
        "email": profile.email,
        "email_verified": profile.email_verified,
    }


def create_user(provider: str, profile: Profile, *, referral_code: str, now: datetime) -> User:
    """Create a user, trying other usernames and e-mail addresses until none is taken.

    What is taken may have been taken by the same user's sign-in in another window: the unique indexes let one of the
    two create the user, and the other finds it after the conflict.
    """
    usernames, emails = candidate_usernames(provider, profile), candidate_emails(provider, profile)
    username, email = next(usernames), next(emails)
    while True:
        names = {"username": username, "email": email, "referral_code": referral_code}
        try:
            return register_user(provider, profile, **names, now=now)
        except InvalidReferralCode:
            logger.warning("sign-in with %s: the referral code %s is nobody's, and is ignored", provider, referral_code)
            referral_code = ""
        except (UsernameReserved, UsernameTaken, EmailTaken, IntegrityError) as conflict:
            user = update_returning_user(provider, profile, now=now)
            if user:
                return user
            if isinstance(conflict, UsernameReserved | UsernameTaken):
                username = next(usernames)
            elif isinstance(conflict, EmailTaken):
                email = next(emails)
            else:
                raise


def register_user(
    provider: str, profile: Profile, *, username: str, email: str, referral_code: str, now: datetime
) -> User:
    """Create the user and the link to the account, or neither; the caller's transaction goes on after an error."""
    former = FormerOAuthAccount.objects.filter(pk=account_hash(provider, profile.account_id))
    with transaction.atomic():
        user = register(
            username=username,
            email=email,
            name=profile.name,
            password=None,
            referral_code=referral_code or None,
            avatar_url=profile.avatar_url,
            x_username=profile.username if provider == "x" else "",
            name_chosen=False,
            is_verified=profile.is_verified and not former.exists(),
            now=now,
        )
        link(user, provider, profile, fills_profile=True, now=now)
    return user


def link(user: User, provider: str, profile: Profile, *, fills_profile: bool, now: datetime) -> OAuthAccount:
    """Link the account to the user, in the caller's transaction. Raises IntegrityError where either has another."""
    return OAuthAccount.objects.create(
        user=user,
        provider=provider,
        provider_account_id=profile.account_id,
        **as_seen(profile),
        fills_profile=fills_profile,
        linked_at=now,
        last_used_at=now,
    )


def candidate_usernames(provider: str, profile: Profile) -> Iterator[str]:
    """Yield valid usernames to try: the handle itself, then with ever more random digits, then digits alone.

    Who has no handle gets one of the name. The last is for a handle with a word that no username may have in it.
    """
    base = clean_username(profile.username or profile.name, provider)
    yield base
    for count in RANDOM_DIGITS:
        yield f"{base[: rules.MAX_USERNAME_LENGTH - count]}{secrets.randbelow(10**count):0{count}}"
    yield f"{provider}_{secrets.randbelow(10**12):012}"


def clean_username(handle: str, provider: str) -> str:
    """Return a valid username: accents are dropped from their letters, other writing altogether."""
    plain = unicodedata.normalize("NFKD", handle)
    kept = re.sub(f"[^{rules.USERNAME_CHARACTERS}]", "", plain)[: rules.MAX_USERNAME_LENGTH]
    return kept if len(kept) >= rules.MIN_USERNAME_LENGTH else f"{provider}_{kept or 'user'}"


def candidate_emails(provider: str, profile: Profile) -> Iterator[str]:
    """Yield addresses to try: the verified one, where it is nobody's, then made-up ones, of which some may be taken.

    Raises SignInFailed where somebody else has verified the address here: it is the same person, who signs in to that
    account and links this one. One that isn't verified here may be anybody's, and keeps nobody out.
    """
    if email := profile.verified_email:
        owner = User.objects.with_email(email).first()
        if owner and owner.email_verified_at:
            raise SignInFailed(SignInError.OAUTH_FAILED, reason=Reason.EMAIL_TAKEN)
        if owner is None:
            yield email
    domain = rules.PLACEHOLDER_EMAIL_DOMAINS[provider]
    yield f"{profile.account_id}@{domain}"
    while True:
        yield f"{profile.account_id}-{secrets.token_hex(8)}@{domain}"
