"""Who has an account at the stand-in."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

AVATAR = "https://abs.twimg.com/sticky/default_profile_images/default_profile_normal.png"


@dataclass(frozen=True)
class Person:
    x_id: str
    username: str
    name: str
    avatar_url: str = AVATAR

    def as_x_says_it(self, fields: set[str]) -> dict[str, Any]:
        """Id, name and username always; more when `user.fields` names it (X's documentation, GET /2/users/me)."""
        said = {"id": self.x_id, "name": self.name, "username": self.username}
        return said | ({"profile_image_url": self.avatar_url} if "profile_image_url" in fields else {})


SAMPLES = (
    Person("1001", "ada_l", "Ada Lovelace"),
    Person("1002", "grace_h", "Grace Hopper"),
    Person("1003", "alan_t", "Alan Turing"),
)


class People:
    """The samples, whoever was added, and anybody else whose username is typed in."""

    def __init__(self) -> None:
        self._known = {person.username.lower(): person for person in SAMPLES}

    def add(self, person: Person) -> None:
        self._known[person.username.lower()] = person

    def find(self, username: str) -> Person:
        """The same username is the same person, in any case, also after a restart."""
        typed = username.strip().lstrip("@") or "somebody"
        known = self._known.get(typed.lower())
        return known or Person(number_for(typed.lower()), handle(typed), typed)


def number_for(username: str) -> str:
    """X's ids are numbers of up to 19 digits, in quotes."""
    return str(int.from_bytes(sha256(username.encode()).digest()[:7], "big"))


def handle(typed: str) -> str:
    """As X has them: up to 15 of A-Z, a-z, 0-9 and _."""
    return re.sub(r"[^A-Za-z0-9_]", "_", typed)[:15]
