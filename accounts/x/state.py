"""What is remembered between the way to X and the way back: on the server, for one browser, for one use.

The state is 256 random bits, and so is what the browser keeps in a cookie: a state that an attacker began is of no use
in another browser (RFC 6749, 10.12; RFC 9700, 4.7). Both are in the database as hashes, so that any process, and a
restarted one, knows them.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import connection

LIFETIME = timedelta(minutes=10)
RANDOM_BYTES = 32
RANDOM_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")
REFERRAL_CODE = re.compile(r"[A-Za-z0-9]{1,32}")

# Each newcomer takes up to ten expired rows away: the table holds what ten minutes brought, and no more.
REMEMBER = """
WITH expired AS (
    SELECT state_hash FROM oauth_states WHERE expires_at < %(now)s
    ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED
), purged AS (
    DELETE FROM oauth_states WHERE state_hash IN (SELECT state_hash FROM expired)
)
INSERT INTO oauth_states (state_hash, browser_hash, verifier, referral_code, expires_at)
VALUES (%(state_hash)s, %(browser_hash)s, %(verifier)s, %(referral_code)s, %(expires_at)s)
"""
# One statement: of two callbacks at once with one state, one finds the row gone.
TAKE = """
DELETE FROM oauth_states WHERE state_hash = %s AND browser_hash = %s AND expires_at > %s
RETURNING verifier, referral_code
"""


@dataclass(frozen=True)
class Remembered:
    verifier: str
    referral_code: str


def browser_key(cookie: str) -> str:
    """The browser's own random text: the one it has, so that sign-ins in two tabs both work, or a new one."""
    return cookie if RANDOM_TEXT.fullmatch(cookie) else secrets.token_urlsafe(RANDOM_BYTES)


def remember(*, verifier: str, referral_code: str, browser: str, now: datetime) -> str:
    """The new state, to be sent to X. A referral code that can't be one is forgotten."""
    state = secrets.token_urlsafe(RANDOM_BYTES)
    row: dict[str, str | datetime] = {
        "now": now,
        "state_hash": hashed(state),
        "browser_hash": hashed(browser),
        "verifier": verifier,
        "referral_code": referral_code if REFERRAL_CODE.fullmatch(referral_code) else "",
        "expires_at": now + LIFETIME,
    }
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, row)
    return state


def take(*, state: str, browser: str, now: datetime) -> Remembered | None:
    """What was remembered, once. None for a state that is unknown, used, expired or another browser's."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [hashed(state), hashed(browser), now])
        row = cursor.fetchone()
    return Remembered(*row) if row else None


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
