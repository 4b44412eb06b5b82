from django.apps import AppConfig


class LeaderboardConfig(AppConfig):
    name = "leaderboard"

    def ready(self) -> None:
        from accounts.services import register_rank_source, register_record_source  # noqa: PLC0415 - models aren't loaded before
        from leaderboard.selectors import get_ranks, get_record  # noqa: PLC0415

        register_rank_source(get_ranks)
        register_record_source(get_record)
