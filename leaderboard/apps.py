from django.apps import AppConfig


class LeaderboardConfig(AppConfig):
    name = "leaderboard"

    def ready(self) -> None:
        from accounts.profiles import register  # noqa: PLC0415 - models aren't loaded before
        from leaderboard.selectors import ranks_of  # noqa: PLC0415

        register(ranks_of)
