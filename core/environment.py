"""Settings from the environment, with errors that name the variable."""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
SECRET_LETTERS_MIN = 32
LONGEST = timedelta(days=3_650)
SENDING_SCHEMES, PRINTING_SCHEME = ("smtp", "smtps", "smtp+tls", "smtp+ssl"), "consolemail"
UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Env(environ.Env):  # type: ignore[misc]
    def get_value(self, var: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the value as django-environ does. Raises ImproperlyConfigured with the variable's name."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var} can't be read: {exc}") from exc

    def required(self, name: str, *, in_development: str) -> str:
        """Return the variable's value, with a default in development only.

        Raises ImproperlyConfigured with the variable's name.
        """
        value: str = self.str(name, default=in_development if self.bool("DEBUG", default=False) else "")
        if not value:
            raise ImproperlyConfigured(f"Set {name}: it is required when DEBUG is off (DEBUG=true is for development).")
        return value

    def port(self, name: str, *, default: int) -> int:
        """Return a port number. Raises ImproperlyConfigured with the variable's name."""
        value = self.str(name, default=str(default))
        if not (value.isascii() and value.isdecimal() and 0 < int(value) < 2**16):
            raise ImproperlyConfigured(f"{name} can't be read: {value!r} is no number from 1 to {2**16 - 1}.")
        return int(value)

    def url_path(self, name: str, *, default: str) -> str:
        """Return a path of a URL, from its slash on, without a query. Raises ImproperlyConfigured."""
        text: str = self.str(name, default=default)
        if not re.fullmatch(r"/(?!/)[A-Za-z0-9._~/-]*", text):
            raise ImproperlyConfigured(f"{name} can't be read: {text!r} is no path such as /auth/callback.")
        return text

    def choice(self, name: str, choices: Sequence[str], *, default: str) -> str:
        """Return one of the choices. Raises ImproperlyConfigured with the variable's name."""
        value: str = self.str(name, default="") or default
        if value not in choices:
            raise ImproperlyConfigured(f"{name} can't be read: {value!r} is none of {', '.join(choices)}.")
        return value

    def spread(self, name: str, *, default: str) -> Decimal:
        """Return a distance of odds, above 0 and below 1; in development it may be 0, at which trading costs nothing.

        Raises ImproperlyConfigured with the variable's name.
        """
        text = self.str(name, default=default)
        number = Decimal(text) if re.fullmatch(r"[01]?\.?[0-9]{1,9}", text) else Decimal(-1)
        if not 0 <= number < 1 or (number == 0 and not self.bool("DEBUG", default=False)):
            raise ImproperlyConfigured(f"{name} can't be read: {text!r} is no number between 0 and 1, such as 0.02.")
        return number

    def database(self, name: str) -> dict[str, Any]:
        """Return Django's configuration of the database at a URL. Raises ImproperlyConfigured without the URL."""
        url = self.str(name)
        try:
            valid = url.startswith(("postgresql://", "postgres://")) and urlsplit(url).port != 0
            config: dict[str, Any] = self.db_url_config(url) if valid else {}
        except ValueError:
            config = {}
        if not config.get("NAME"):
            raise ImproperlyConfigured(f"{name} can't be read: write postgresql://user:password@host:5432/database.")
        return config

    def redis_url(self, name: str) -> str:
        """Return the URL of a Redis. Raises ImproperlyConfigured without the URL, which may hold a password."""
        url: str = self.str(name)
        try:
            parse_url(url)  # type: ignore[no-untyped-call]
        except ValueError as exc:
            raise ImproperlyConfigured(
                f"{name} can't be read: write redis://host:6379/0, rediss:// for TLS, or unix:///path?db=0."
            ) from exc
        return url

    def mail(self, name: str, *, in_development: str) -> dict[str, Any]:
        """Return Django's settings of the mail server at a URL. Required as `required`.

        In production only a server that sends will do: what prints mails would write their links to the log. Raises
        ImproperlyConfigured; the URL may hold a password.
        """
        url = self.required(name, in_development=in_development)
        schemes = SENDING_SCHEMES if not self.bool("DEBUG", default=False) else (*SENDING_SCHEMES, PRINTING_SCHEME)
        try:
            parts = urlsplit(url)
            valid = parts.scheme in schemes and (parts.scheme == PRINTING_SCHEME or bool(parts.hostname and parts.port))
        except ValueError:
            valid = False
        if not valid:
            raise ImproperlyConfigured(
                f"{name} can't be read: write smtp+tls://user:password@host:587, smtp+ssl:// or smtp://, with a port."
            )
        return {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False, **self.email_url_config(url)}

    def keyring(self, name: str, *, in_development: str) -> dict[str, str]:
        """Return signing keys, written `id:secret,id:secret`: the first signs, all verify. Required as `required`."""
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

    def days(self, name: str, *, default: int) -> timedelta:
        """Return a whole number of days, from 0 up, as a time. Raises ImproperlyConfigured with the variable's name."""
        text: str = self.str(name, default=str(default))
        days = int(text) if re.fullmatch(r"[0-9]{1,4}", text.strip()) else -1
        if not 0 <= days <= LONGEST.days:
            raise ImproperlyConfigured(f"{name} is {text!r}: give a number of days, from 0 to {LONGEST.days:,}.")
        return timedelta(days=days)

    def duration(self, name: str, *, default: str) -> timedelta:
        """Return a time such as `7d`, `15m` or `900` (seconds)."""
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
