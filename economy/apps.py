from django.apps import AppConfig


class EconomyConfig(AppConfig):
    name = "economy"
    # Rows are changed and never deleted: the role of the service can't.
    kept_tables = ("credit_adjustments", "daily_rewards", "debts", "stocks")

    def ready(self) -> None:
        # They register themselves: invariants with the audit, receivers with their signals.
        from economy import adjustments, referrals, rewards, tasks  # noqa: F401, PLC0415
