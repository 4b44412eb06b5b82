"""What X says about a person, in the forms that a user of ours may have."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from accounts.rules import DIRECTION_CHANGES, can_be_seen, without_controls

MAX_USERNAME, MIN_USERNAME = 50, 3
MAX_NAME = 100
MAX_AVATAR_URL = 500
X_ID = re.compile(r"[0-9]{1,30}")
PLACEHOLDER_DOMAIN = "x.oauth"
DIGITS_EACH_TRY = (4, 4, 6, 8, 10, 12)


@dataclass(frozen=True)
class Profile:
    """All of it is safe to store; `avatar_url` may be empty."""

    x_id: str
    username: str
    name: str
    avatar_url: str


def read_profile(data: Any) -> Profile:
    """From the `data` of X's GET /2/users/me. Raises LookupError, TypeError or ValueError for what isn't a profile."""
    x_id, username, name = data["id"], data["username"], data["name"]
    if not isinstance(x_id, str) or not X_ID.fullmatch(x_id):
        raise ValueError("no id of X")
    if not isinstance(username, str) or not isinstance(name, str):
        raise TypeError("no names of X")
    handle = without_controls(username)[:MAX_USERNAME]
    return Profile(x_id, handle, shown_name(name, handle), larger(data.get("profile_image_url")))


def shown_name(name: str, handle: str) -> str:
    """The name as people may read it beside others; the handle where nothing of it can be seen."""
    shown = without_controls(DIRECTION_CHANGES.sub("", name))[:MAX_NAME].strip()
    return next((text for text in (shown, handle) if can_be_seen(text)), "X user")


def larger(url: Any) -> str:
    """X names the 48 pixel variant; the one of 400 pixels has the same name but for the end. Empty if not https.

    Source: X's documentation, "Profile images": variants differ by the end of the file's name.
    """
    if not isinstance(url, str) or len(url) > MAX_AVATAR_URL or not url.isascii() or not url.isprintable():
        return ""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return ""
    return re.sub(r"_normal(\.\w+)$", r"_400x400\1", url)[:MAX_AVATAR_URL]


def usernames(handle: str) -> Iterator[str]:
    """Names to try, each good: the handle itself, then with ever more random digits."""
    base = cleaned(handle)
    yield base
    for count in DIGITS_EACH_TRY:
        yield f"{base[: MAX_USERNAME - count]}{secrets.randbelow(10**count):0{count}}"


def cleaned(handle: str) -> str:
    """Three to fifty of A-Z, a-z, 0-9 and _; accents are dropped from their letters, other writing altogether."""
    plain = unicodedata.normalize("NFKD", handle)
    kept = re.sub(r"[^A-Za-z0-9_]", "", plain)[:MAX_USERNAME]
    return kept if len(kept) >= MIN_USERNAME else f"x_{kept or 'user'}"


def placeholder_emails(x_id: str) -> Iterator[str]:
    """X gives no e-mail address. The plain one may have been taken by somebody who signed up with it."""
    yield f"{x_id}@{PLACEHOLDER_DOMAIN}"
    while True:
        yield f"{x_id}-{secrets.token_hex(8)}@{PLACEHOLDER_DOMAIN}"
