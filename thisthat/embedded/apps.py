from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "thisthat.embedded"
    label = "embedded"
