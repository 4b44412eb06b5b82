from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "thisthat.common"
    label = "common"
