from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "core"
    label = "common"
