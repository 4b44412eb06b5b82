from django.apps import AppConfig


class BettingConfig(AppConfig):
    name = "betting"
    # Rows are changed and never deleted: the role of the service can't.
    kept_tables = ("settlements",)

    def ready(self) -> None:
        from betting import audit, tasks  # noqa: F401, PLC0415 - they register themselves
        from betting.models import Bet  # noqa: PLC0415
        from markets.selectors import exclude_from_samples  # noqa: PLC0415

        exclude_from_samples(Bet)
