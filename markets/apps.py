from django.apps import AppConfig


class MarketsConfig(AppConfig):
    name = "markets"
    # Rows are changed and never deleted: the role of the service can't.
    kept_tables = ("markets",)
