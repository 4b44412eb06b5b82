from django.urls import path

from accounts.x.views import CallbackView, StartView

urlpatterns = [
    path("", StartView.as_view(), name="auth_x"),
    path("/callback", CallbackView.as_view(), name="auth_x_callback"),
]
