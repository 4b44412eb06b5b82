from importlib import import_module

from django.apps import AppConfig


class StaffConfig(AppConfig):
    """The admin, and the commands that look into every app. All apps are below it."""

    name = "staff"
    label = "staff"
    verbose_name = "System"

    def ready(self) -> None:
        # The audit's invariant about staff.
        import_module("staff.audit")
