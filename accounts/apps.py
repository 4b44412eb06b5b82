"""App configurations of accounts and of the sign-in with providers, which has tables of its own."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    default = True
    # Rows are changed and never deleted: the role of the service can't.
    kept_tables = ("users",)

    def ready(self) -> None:
        # Describes the access token to drf-spectacular.
        import_module("accounts.authentication")
        # Its receivers register themselves with their signals.
        import_module("accounts.tasks")


class ProvidersConfig(AppConfig):
    name = "accounts.providers"
    # From when there was X alone: what is stored of migrations has it.
    label = "x_sign_in"
