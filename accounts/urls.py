from django.urls import path, register_converter
from django.urls.converters import StringConverter

from accounts.providers.views import CallbackView, ConnectionViewSet, FinishView, ProvidersViewSet, StartView
from accounts.rules import SIGN_IN_PROVIDERS
from accounts.throttles import (
    LOGIN_THROTTLES,
    MAIL_THROTTLES,
    PASSWORD_THROTTLES,
    AccountThrottle,
    MailTokenThrottle,
    ProviderSignInThrottle,
    RefreshThrottle,
    SignupThrottle,
)
from accounts.views import MeViewSet, PublicUserViewSet, RecoveryViewSet, SessionViewSet, SignInViewSet


class ProviderConverter(StringConverter):
    regex = "|".join(SIGN_IN_PROVIDERS)


register_converter(ProviderConverter, "provider")

urlpatterns = [
    path("auth/signup", SignInViewSet.as_view({"post": "signup"}, throttle_classes=(SignupThrottle, AccountThrottle))),
    path("auth/login", SignInViewSet.as_view({"post": "login"}, throttle_classes=LOGIN_THROTTLES)),
    path("auth/refresh", SignInViewSet.as_view({"post": "refresh"}, throttle_classes=(RefreshThrottle,))),
    path("auth/logout", SignInViewSet.as_view({"post": "logout"})),
    path("auth/logout-all", SessionViewSet.as_view({"post": "end_all"})),
    path("auth/sessions", SessionViewSet.as_view({"get": "list"})),
    path("auth/sessions/<str:session_id>", SessionViewSet.as_view({"delete": "destroy"})),
    path("auth/password/forgot", RecoveryViewSet.as_view({"post": "forgot"}, throttle_classes=MAIL_THROTTLES)),
    path("auth/password/reset", RecoveryViewSet.as_view({"post": "reset"}, throttle_classes=(MailTokenThrottle,))),
    path("auth/password/change", MeViewSet.as_view({"post": "change_password"}, throttle_classes=PASSWORD_THROTTLES)),
    path("auth/email/verify", RecoveryViewSet.as_view({"post": "verify"}, throttle_classes=(MailTokenThrottle,))),
    path("auth/email/resend", MeViewSet.as_view({"post": "resend"}, throttle_classes=MAIL_THROTTLES)),
    path("auth/me", MeViewSet.as_view({"get": "retrieve"})),
    path("auth/providers", ProvidersViewSet.as_view({"get": "list"})),
    path("auth/<provider:provider>", StartView.as_view(), name="auth_provider"),
    path("auth/<provider:provider>/callback", CallbackView.as_view(), name="auth_provider_callback"),
    path("auth/<provider:provider>/finish", FinishView.as_view(), name="auth_provider_finish"),
    path("users/me/connections", ConnectionViewSet.as_view({"get": "list"})),
    path(
        "users/me/connections/<provider:provider>",
        ConnectionViewSet.as_view({"post": "begin", "delete": "destroy"}, throttle_classes=(ProviderSignInThrottle,)),
    ),
    path(
        "users/me/connections/<provider:provider>/finish",
        ConnectionViewSet.as_view({"post": "finish"}, throttle_classes=(ProviderSignInThrottle,)),
    ),
    path("users/me", MeViewSet.as_view({"patch": "update", "delete": "leave"}, throttle_classes=MAIL_THROTTLES)),
    path("users/<str:user_id>", PublicUserViewSet.as_view({"get": "retrieve"})),
]
