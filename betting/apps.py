from django.apps import AppConfig


class BettingConfig(AppConfig):
    name = "betting"

    def ready(self) -> None:
        from betting import audit, tasks  # noqa: F401, PLC0415 - they register themselves
        from betting.selectors import HAS_BET  # noqa: PLC0415
        from markets.selectors import leave_out_of_samples  # noqa: PLC0415

        leave_out_of_samples(HAS_BET)
