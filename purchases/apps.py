from importlib import import_module

from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    name = "purchases"
    # Rows are changed and never deleted: the role of the service can't.
    kept_tables = ("credit_purchases",)

    def ready(self) -> None:
        from purchases.rules import packages  # noqa: PLC0415 - settings aren't loaded before

        # A package that can't be parsed stops the start.
        packages()
        # The audit's invariants about purchases.
        import_module("purchases.audit")
