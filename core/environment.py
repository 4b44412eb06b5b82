"""Settings from the environment, with errors that name the variable."""

import re
from datetime import timedelta
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
SECRET_LETTERS_MIN = 32
LONGEST = timedelta(days=3_650)
UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Env(environ.Env):  # type: ignore[misc]
    def get_value(self, var: Any, *args: Any, **kwargs: Any) -> Any:
        """As django-environ's. Raises ImproperlyConfigured with the variable's name for what can't be read."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var} can't be read: {exc}") from exc

    def required(self, name: str, *, in_development: str) -> str:
        """The variable's value, with a default in development only.

        Raises ImproperlyConfigured with the variable's name.
        """
        value: str = self.str(name, default=in_development if self.bool("DEBUG", default=False) else "")
        if not value:
            raise ImproperlyConfigured(f"Set {name}: it is required when DEBUG is off (DEBUG=true is for development).")
        return value

    def keyring(self, name: str, *, in_development: str) -> dict[str, str]:
        """Signing keys, written `id:secret,id:secret`: the first signs, all verify. Required as `required`."""
        entries = self.required(name, in_development=in_development).split(",")
        keys: dict[str, str] = {}
        for key_id, _, secret in (entry.strip().partition(":") for entry in entries):
            if not KEY_ID.fullmatch(key_id) or len(secret) < SECRET_LETTERS_MIN:
                raise ImproperlyConfigured(
                    f"{name} can't be read: write id:secret,id:secret; {SECRET_LETTERS_MIN} letters or more a secret."
                )
            # Which of the two signed a row, the row couldn't say.
            if key_id in keys:
                raise ImproperlyConfigured(f"{name} has two keys named {key_id}: each needs an id of its own.")
            keys[key_id] = secret
        return keys

    def seconds(self, name: str, *, default: float) -> timedelta:
        """Return a number of seconds, such as `15` or `0.5`, as a time."""
        return timedelta(seconds=self.float(name, default=default))

    def duration(self, name: str, *, default: str) -> timedelta:
        """A time such as `7d`, `15m` or `900` (seconds)."""
        return parse_duration(self.str(name, default=default), name=name)


def parse_duration(text: str, *, name: str) -> timedelta:
    """Return the length of a time as operators write it: `7d`, `12h`, `15m`, `90s`, or a plain number of seconds.

    Raises ImproperlyConfigured, with the setting's name, for what isn't a time above zero and within ten years.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip())
    length = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < length <= LONGEST:
        raise ImproperlyConfigured(f"{name} is {text!r}: give a time such as 7d, 12h, 15m or 900 (seconds).")
    return length


# What settings and the rules of apps read; settings has it read `.env` first.
env = Env()
