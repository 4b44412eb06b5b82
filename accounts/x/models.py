"""Sign-ins that went to X and have not come back: stored on the server, for one browser, for one use.

The state is 256 random bits, and so is what the browser keeps in a cookie: a state that an attacker began is of no use
in another browser (RFC 6749, 10.12; RFC 9700, 4.7). Both are stored as hashes, so that any process, and a restarted
one, can check them, and nobody who reads the table can use its rows.
"""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from django.db import models, transaction

from accounts.rules import MAX_REFERRAL_CODE_KEPT, X_SIGN_IN_LIFETIME

RANDOM_BYTES = 32
REFERRAL_CODE = re.compile(rf"[A-Za-z0-9]{{1,{MAX_REFERRAL_CODE_KEPT}}}")
PURGE_BATCH = 10


class OAuthStateManager(models.Manager["OAuthState"]):
    def start(self, *, verifier: str, referral_code: str, browser: str, now: datetime) -> str:
        """Store a new sign-in and return its state, to be sent to X. What can't be a referral code is dropped.

        Each new row removes up to ten expired ones: the table holds what came in one lifetime, and no more.
        """
        state = secrets.token_urlsafe(RANDOM_BYTES)
        with transaction.atomic():
            expired = self.select_for_update(skip_locked=True).filter(expires_at__lt=now).order_by("expires_at")
            self.filter(pk__in=expired.values("pk")[:PURGE_BATCH]).delete()
            self.create(
                state_hash=digest(state),
                browser_hash=digest(browser),
                verifier=verifier,
                referral_code=referral_code if REFERRAL_CODE.fullmatch(referral_code) else "",
                expires_at=now + X_SIGN_IN_LIFETIME,
            )
        return state

    def consume(self, *, state: str, browser: str, now: datetime) -> "OAuthState | None":
        """Return and delete the sign-in; None for a state that is unknown, used, expired or another browser's.

        Of two callbacks at once with one state, the second waits for the row's lock and finds it deleted.
        """
        matching = self.filter(state_hash=digest(state), browser_hash=digest(browser), expires_at__gt=now)
        with transaction.atomic():
            pending = matching.select_for_update().first()
            if pending:
                matching.delete()
        return pending


class OAuthState(models.Model):
    """A sign-in that went to X. Written and consumed by its manager alone."""

    state_hash = models.CharField(max_length=64, primary_key=True)
    browser_hash = models.CharField(max_length=64)
    verifier = models.CharField(max_length=128)
    referral_code = models.CharField(max_length=MAX_REFERRAL_CODE_KEPT, blank=True, default="")
    expires_at = models.DateTimeField()

    objects: ClassVar[OAuthStateManager] = OAuthStateManager()

    class Meta:
        db_table = "oauth_states"
        indexes = [models.Index(fields=["expires_at"], name="oauth_states_expires_at")]

    def __str__(self) -> str:
        return f"a state until {self.expires_at}"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
