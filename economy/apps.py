from importlib import import_module

from django.apps import AppConfig


class EconomyConfig(AppConfig):
    name = "economy"

    def ready(self) -> None:
        import_module("economy.adjustments_audit")
        import_module("economy.receivers")
        import_module("economy.rewards_audit")
        import_module("economy.stocks.audit")
        import_module("economy.stocks.receivers")
