"""Set the rules for e-mails, usernames, names, passwords, referral codes, mails, lifetimes and leaving.

Lifetimes of tokens are for operators to tune: JWT_ACCESS_EXPIRES_IN and JWT_REFRESH_EXPIRES_IN. Read by the settings,
so it imports no model.
"""

import re
import secrets
import unicodedata
from datetime import timedelta
from typing import Any

from core.environment import env

# Lengths are in characters.
MIN_USERNAME_LENGTH, MAX_USERNAME_LENGTH = 3, 50
# ASCII alone: no letter of another alphabet can pass for one of these.
USERNAME_CHARACTERS = "A-Za-z0-9_"
# Nobody signs up with one of these, or renames themselves to it, nor to what looks like it: `accounts.usernames`.
RESERVED_USERNAMES: list[str] = env.list(
    "RESERVED_USERNAMES",
    default=[
        *("admin", "administrator", "api", "billing", "everyone", "help", "helpdesk", "mod", "moderator", "null"),
        *("official", "owner", "root", "security", "staff", "superuser", "support", "sysadmin", "system", "team"),
        *("thisthat", "thisthatadmin", "thisthatofficial", "thisthatstaff", "thisthatsupport", "undefined"),
        *("webmaster",),
    ],
)
# No username has one of these in it, nor what looks like one: a list of profanity, say. By default there is none.
REFUSED_USERNAME_WORDS: list[str] = env.list("REFUSED_USERNAME_WORDS", default=[])
# For so long nobody else gets a username that a user gave up.
USERNAME_HELD_FOR = timedelta(days=30)
MAX_EMAIL_LENGTH = 254
MAX_NAME_LENGTH = 100
MAX_BIO_LENGTH = 280
MAX_AVATAR_URL_LENGTH = 500
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 128
# Why staff did something.
MAX_REASON_LENGTH = 500

# What a new password must be, wherever it is set, in the order in which the reasons against it are given. The last one
# refuses nothing: it revokes the user's refresh tokens.
_DJANGOS = "django.contrib.auth.password_validation"
PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {
        "NAME": f"{_DJANGOS}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name", "email")},
    },
    {"NAME": f"{_DJANGOS}.MinimumLengthValidator", "OPTIONS": {"min_length": MIN_PASSWORD_LENGTH}},
    {"NAME": f"{_DJANGOS}.CommonPasswordValidator"},
    {"NAME": f"{_DJANGOS}.NumericPasswordValidator"},
    {"NAME": "accounts.passwords.EndsSessions"},
]

# A browser in which somebody signed in is known for so long, so that others' attempts don't keep its user out.
KNOWN_DEVICE_LIFETIME = timedelta(days=365)

# `last_active_at`, by which daily rewards are given, is written at most once in this time.
ACTIVITY_INTERVAL = timedelta(minutes=5)
# Who a user may sign in with, as addresses and the table of linked accounts name them.
SIGN_IN_PROVIDERS = ("x", "google", "discord")
# How long a user may stay at a provider before coming back.
SIGN_IN_LIFETIME = timedelta(minutes=10)

# How long the link of a mail that resets a password is good; of one that verifies an address:
# EMAIL_VERIFICATION_EXPIRES_IN.
PASSWORD_RESET_LIFETIME = timedelta(hours=1)
# A mail that couldn't be sent is tried again after the first wait, then after twice as long each time, up to the
# longest; and given up after so long.
MAIL_RETRY_FIRST, MAIL_RETRY_MAX, MAIL_GIVEN_UP_AFTER = timedelta(seconds=30), timedelta(minutes=30), timedelta(days=1)
# For so long nobody else sends a mail that one worker has begun to: longer than a task may run.
MAIL_CLAIMED_FOR = timedelta(minutes=6)
# How many mails, and how many seconds, one run of the sweep takes at most.
MAILS_PER_RUN, MAIL_RUN_SECONDS = 200, 120
# How long the record of a mail is kept.
MAILS_KEPT_FOR = timedelta(days=90)

# How long a user who deleted their account may come back, by signing in, before it is erased.
ACCOUNT_DELETION_PERIOD = env.days("ACCOUNT_DELETION_DAYS", default=7)
# How many of those whose time is over one statement looks up, and how many seconds a run that erases them may take.
ERASURE_BATCH, ERASURE_RUN_SECONDS = 100, 200
# What a web process makes of one export in memory; a larger one is written by `manage.py export_user`.
EXPORT_MAX_BYTES = 32 * 1024 * 1024
# Where more users than these have changed at once, listeners are told to look at all whom they serve.
USERS_PUBLISHED_SINGLY = 1_000

# The domains of the made-up addresses of users whose provider gave no verified e-mail that was free; X gives none.
PLACEHOLDER_EMAIL_DOMAINS = {provider: f"{provider}.oauth" for provider in SIGN_IN_PROVIDERS}
# The domain of the made-up addresses of users whose data was erased: a top-level domain that never exists (RFC 2606).
ERASED_EMAIL_DOMAIN = "erased.invalid"
# E-mail addresses of these domains, in lower case, are refused at sign-up, and no mail is sent to them.
REFUSED_EMAIL_DOMAINS = frozenset({*PLACEHOLDER_EMAIL_DOMAINS.values(), ERASED_EMAIL_DOMAIN})

# Without 0, 1, I and O, so that a code can be read aloud.
REFERRAL_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
REFERRAL_CODE_LENGTH = 8
# What may be entered where a code is asked for, and what a provider's sign-in keeps of that: longer ones are no code.
MAX_REFERRAL_CODE_INPUT, MAX_REFERRAL_CODE_KEPT = 50, 32

# They change the direction of all that follows, outside the name too.
DIRECTION_CHANGES = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters, by their category, that show nothing: the Hangul fillers, and the blank of Braille.
BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


def is_refused_domain(email: str) -> bool:
    """Return whether nobody can have this address, or may sign up with it."""
    return email.lower().rpartition("@")[2] in REFUSED_EMAIL_DOMAINS


def new_referral_code() -> str:
    """Return one of 32⁸, about 10¹², codes. The table's unique index tells when one is taken."""
    return "".join(secrets.choice(REFERRAL_CODE_ALPHABET) for _ in range(REFERRAL_CODE_LENGTH))


def normalise_referral_code(code: str) -> str:
    """Return the code as it is stored: trimmed, in capitals."""
    return code.strip().upper()


def clean_text(text: str, *, keep: str = "") -> str:
    """Return the text trimmed and composed (NFC); control characters and line breaks, but `keep`, become spaces."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    kept = (
        " " if unicodedata.category(letter) in CONTROL_CATEGORIES and letter not in keep else letter for letter in text
    )
    return re.sub(" {2,}", " ", "".join(kept)).strip()


def changes_direction(text: str) -> bool:
    """Return whether the text has characters that turn the direction of writing around."""
    return DIRECTION_CHANGES.search(text) is not None


def is_visible(text: str) -> bool:
    """Return whether at least one character of the text can be seen."""
    return any(unicodedata.category(letter)[0] in "LNPS" and letter not in BLANK_LETTERS for letter in text)
