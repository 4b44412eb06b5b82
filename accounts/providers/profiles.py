"""Read what providers say about a user into one shape that is safe to store.

Each reader takes the provider's JSON, whatever it is, and raises LookupError, TypeError or ValueError for what isn't a
profile. Sources: X's documentation, GET /2/users/me and "Profile images"; Google's, "OpenID Connect", the claims of an
ID token; Discord's, "Users Resource" and "Image Formatting".
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts import rules

X_ID = re.compile(r"[0-9]{1,30}")
# "A locally unique and never reassigned identifier" (OpenID Connect Core, 2); Google's are digits.
GOOGLE_ID = re.compile(r"[0-9]{1,64}")
DISCORD_ID = re.compile(r"[0-9]{1,20}")
DISCORD_AVATAR = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class Profile:
    """Hold what a provider says about a user. All but `account_id` and `name` may be empty."""

    account_id: str
    username: str
    name: str
    avatar_url: str = ""
    email: str = ""
    email_verified: bool = False
    # Whether the provider vouches for one person among others: X does, others by a verified address.
    is_verified: bool = False

    @property
    def verified_email(self) -> str:
        return self.email if self.email_verified else ""


def read_x(data: Any) -> Profile:
    """Read the `data` of X's GET /2/users/me."""
    username = text_of(data["username"])
    return Profile(
        account_id=id_of(data["id"], X_ID),
        username=handle_of(username),
        name=display_name(text_of(data["name"]), handle_of(username), otherwise="X user"),
        avatar_url=re.sub(r"_normal(\.\w+)$", r"_400x400\1", https_url(data.get("profile_image_url")))[
            : rules.MAX_AVATAR_URL_LENGTH
        ],
        is_verified=True,
    )


def read_google(claims: Any) -> Profile:
    """Read the claims of Google's ID token, whose issuer, audience, time and nonce are checked already.

    Google has no usernames, and the part of an address before the @ is nothing to show to others.
    """
    email = email_of(claims.get("email"))
    verified = bool(email) and claims.get("email_verified") is True
    return Profile(
        account_id=id_of(claims["sub"], GOOGLE_ID),
        username="",
        name=display_name(text_of(claims.get("name", "")), "", otherwise="Google user"),
        avatar_url=https_url(claims.get("picture")),
        email=email,
        email_verified=verified,
        is_verified=verified,
    )


def read_discord(data: Any) -> Profile:
    """Read Discord's GET /users/@me."""
    account_id, username = id_of(data["id"], DISCORD_ID), text_of(data["username"])
    email, avatar = email_of(data.get("email")), data.get("avatar")
    verified = bool(email) and data.get("verified") is True
    has_avatar = isinstance(avatar, str) and DISCORD_AVATAR.fullmatch(avatar)
    return Profile(
        account_id=account_id,
        username=handle_of(username),
        name=display_name(text_of(data.get("global_name") or username), handle_of(username), otherwise="Discord user"),
        avatar_url=f"https://cdn.discordapp.com/avatars/{account_id}/{avatar}.png" if has_avatar else "",
        email=email,
        email_verified=verified,
        is_verified=verified,
    )


def id_of(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("no id of the provider")
    return value


def text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text of the provider")
    return value


def handle_of(username: str) -> str:
    return rules.clean_text(username)[: rules.MAX_USERNAME_LENGTH]


def display_name(name: str, handle: str, *, otherwise: str) -> str:
    """Return the name as others may read it, or the handle where nothing of the name can be seen."""
    shown = rules.clean_text(rules.DIRECTION_CHANGES.sub("", name))[: rules.MAX_NAME_LENGTH].strip()
    return next((text for text in (shown, handle) if rules.is_visible(text)), otherwise)


def https_url(url: Any) -> str:
    """Return the address of an avatar; empty for what isn't one, or isn't https."""
    if not isinstance(url, str) or len(url) > rules.MAX_AVATAR_URL_LENGTH or not url.isascii() or not url.isprintable():
        return ""
    parts = urlsplit(url)
    return url if parts.scheme == "https" and parts.hostname else ""


def email_of(value: Any) -> str:
    """Return the address as somebody could sign up with it here; empty for any other."""
    if not isinstance(value, str) or not value.isascii() or len(value) > rules.MAX_EMAIL_LENGTH:
        return ""
    try:
        validate_email(value)
    except ValidationError:
        return ""
    return "" if rules.is_refused_domain(value) else value
