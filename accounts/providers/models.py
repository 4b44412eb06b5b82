"""Sign-ins that went to a provider and have not come back, and the accounts at providers that users sign in with.

The state is 256 random bits, and so are what the browser keeps in a cookie and the finish code that a frontend gets: a
state that an attacker began is of no use in another browser (RFC 6749, 10.12; RFC 9700, 4.7). All are stored as hashes,
so that any process, and a restarted one, can check them, and nobody who reads the table can use its rows.
"""

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, NamedTuple
from uuid import UUID

from django.db import models, transaction
from django.db.models import Q
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts import rules
from accounts.models import User
from core.db.sql import new_id

RANDOM_BYTES = 32
REFERRAL_CODE = re.compile(rf"[A-Za-z0-9]{{1,{rules.MAX_REFERRAL_CODE_KEPT}}}")
PURGE_BATCH = 10
PROVIDER_LENGTH = 20


class Taken(NamedTuple):
    """The sign-in of a state, if there is one, and whether it was taken: not where its start wasn't proved."""

    pending: "OAuthState | None"
    is_taken: bool


class OAuthStateManager(models.Manager["OAuthState"]):
    def start(
        self,
        *,
        provider: str,
        verifier: str,
        now: datetime,
        browser: str = "",
        finish_code: str = "",
        referral_code: str = "",
        user_id: UUID | None = None,
    ) -> str:
        """Store a new sign-in and return its state, for the provider. What can't be a referral code is dropped.

        Each new row removes up to ten expired ones: the table holds what came in one lifetime, and no more.
        """
        state = secrets.token_urlsafe(RANDOM_BYTES)
        with transaction.atomic():
            expired = self.select_for_update(skip_locked=True).filter(expires_at__lt=now).order_by("expires_at")
            self.filter(pk__in=expired.values("pk")[:PURGE_BATCH]).delete()
            self.create(
                state_hash=digest(state),
                provider=provider,
                browser_hash=digest(browser) if browser else "",
                finish_hash=digest(finish_code) if finish_code else "",
                verifier=verifier,
                referral_code=referral_code if REFERRAL_CODE.fullmatch(referral_code) else "",
                user_id=user_id,
                expires_at=now + rules.SIGN_IN_LIFETIME,
            )
        return state

    def take(self, *, provider: str, state: str, proves: "Callable[[OAuthState], bool]", now: datetime) -> Taken:
        """Delete the sign-in and return it. One whose start isn't proved stays; None for unknown, used, expired ones.

        Of two callbacks at once with one state, the second waits for the row's lock and finds it deleted.
        """
        matching = self.filter(state_hash=digest(state), provider=provider, expires_at__gt=now)
        with transaction.atomic():
            pending = matching.select_for_update().first()
            is_taken = pending is not None and proves(pending)
            if is_taken:
                matching.delete()
        return Taken(pending, is_taken)


class OAuthState(models.Model):
    """A sign-in, or the linking of an account, that went to a provider. Written and taken by its manager alone."""

    state_hash = models.CharField(max_length=64, primary_key=True)
    provider = models.CharField(max_length=PROVIDER_LENGTH, db_default="x")
    browser_hash = models.CharField(max_length=64)
    # Of the code that the frontend proves the start with; empty where it was given none.
    finish_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Who links the account; null for a sign-in.
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    verifier = models.CharField(max_length=128)
    referral_code = models.CharField(max_length=rules.MAX_REFERRAL_CODE_KEPT, blank=True, default="")
    expires_at = models.DateTimeField()

    objects: ClassVar[OAuthStateManager] = OAuthStateManager()

    class Meta:
        db_table = "oauth_states"
        indexes = [models.Index(fields=["expires_at"], name="oauth_states_expires_at")]

    def __str__(self) -> str:
        return f"a state until {self.expires_at}"

    def began_in(self, browser: str) -> bool:
        """Return whether it is a sign-in that this browser began."""
        return self.user_id is None and is_of(browser, self.browser_hash)

    def has_code(self, finish_code: str, *, user_id: UUID | None = None) -> bool:
        """Return whether the finish code was given for it, and to the user where it is the linking of an account."""
        return self.user_id == user_id and is_of(finish_code, self.finish_hash)


class OAuthAccount(models.Model):
    """An account at a provider that a user signs in with. Tokens of the provider are not stored.

    `username`, `name`, `avatar_url`, `email` and `email_verified` are what the provider said at the last sign-in.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="oauth_accounts")
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    provider_account_id = models.CharField(max_length=64)
    username = models.CharField(max_length=rules.MAX_USERNAME_LENGTH, blank=True, default="")
    name = models.CharField(max_length=rules.MAX_NAME_LENGTH, blank=True, default="")
    avatar_url = models.CharField(max_length=rules.MAX_AVATAR_URL_LENGTH, blank=True, default="")
    email = models.CharField(max_length=rules.MAX_EMAIL_LENGTH, blank=True, default="")
    email_verified = models.BooleanField(default=False)
    # Whether the user was made by its first sign-in: then it fills in what of the profile the person hasn't chosen.
    fills_profile = models.BooleanField(default=False)
    linked_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "oauth_accounts"
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_account_id"], name="oauth_accounts_account_unique"),
            models.UniqueConstraint(fields=["user", "provider"], name="oauth_accounts_one_of_each_provider"),
            models.CheckConstraint(
                condition=Q(provider__in=rules.SIGN_IN_PROVIDERS), name="oauth_accounts_provider_known"
            ),
            models.CheckConstraint(condition=~Q(provider_account_id=""), name="oauth_accounts_account_named"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}, {self.username or self.name}"


class FormerOAuthAccount(models.Model):
    """The keyed hash of an account at a provider that was unlinked, and of nothing else: it names nobody.

    A user whom it makes anew doesn't count as verified: else one account at a provider would make any number of them.
    """

    account_hash = models.CharField(max_length=64, primary_key=True)

    class Meta:
        db_table = "former_oauth_accounts"

    def __str__(self) -> str:
        return self.account_hash


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def is_of(text: str, hashed: str) -> bool:
    """Return whether the hash is the text's, in constant time; no text has an empty one."""
    return bool(hashed) and constant_time_compare(digest(text), hashed)


def account_hash(provider: str, account_id: str) -> str:
    return salted_hmac("accounts.former-oauth-account", f"{provider}\0{account_id}", algorithm="sha256").hexdigest()
