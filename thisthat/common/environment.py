"""Settings from the environment, with errors that name the variable."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Env(environ.Env):  # type: ignore[misc]
    def get_value(self, var: Any, *args: Any, **kwargs: Any) -> Any:
        """As django-environ's. Raises ImproperlyConfigured with the variable's name for what can't be read."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var} can't be read: {exc}") from exc
