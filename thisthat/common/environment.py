"""Settings from the environment, with errors that name the variable."""

from datetime import timedelta
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from thisthat.common.durations import parse_duration


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

    def duration(self, name: str, *, default: str) -> timedelta:
        """A time such as `7d`, `15m` or `900` (seconds)."""
        return parse_duration(self.str(name, default=default), name=name)
