from django.apps import AppConfig


class XSignInConfig(AppConfig):
    name = "accounts.x"
    label = "x_sign_in"
