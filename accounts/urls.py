from django.urls import path

from accounts.throttles import (
    LOGIN_THROTTLES,
    MAIL_THROTTLES,
    PASSWORD_THROTTLES,
    AccountThrottle,
    MailTokenThrottle,
    RefreshThrottle,
    SignupThrottle,
)
from accounts.views import MeViewSet, PublicUserViewSet, RecoveryViewSet, SessionViewSet, SignInViewSet
from accounts.x.views import CallbackView, StartView

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
    path("auth/x", StartView.as_view(), name="auth_x"),
    path("auth/x/callback", CallbackView.as_view(), name="auth_x_callback"),
    path("users/me", MeViewSet.as_view({"patch": "update", "delete": "leave"}, throttle_classes=MAIL_THROTTLES)),
    path("users/<str:user_id>", PublicUserViewSet.as_view({"get": "retrieve"})),
]
