from django.apps import AppConfig


class EconomyConfig(AppConfig):
    name = "economy"
    # Rows are changed and never deleted: the role of the service can't. Of an anchor only when it was published.
    kept_tables = ("credit_adjustments", "daily_rewards", "debts", "ledger_anchors", "stocks")

    def ready(self) -> None:
        # They register themselves: invariants with the audit, receivers with their signals.
        from economy import audit, referrals, tasks  # noqa: F401, PLC0415
        from economy.ledger import anchors  # noqa: F401, PLC0415
        from economy.stocks import audit as stocks_audit  # noqa: F401, PLC0415
