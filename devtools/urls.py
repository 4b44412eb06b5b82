from django.urls import path

from devtools import welcome

urlpatterns = [
    path("", welcome.page),
    path("dev/sign-in", welcome.sign_in_demo),
    path("dev/events", welcome.events),
    path("dev/mails", welcome.mails),
    path("dev/markets/<str:market_id>/resolve", welcome.resolve),
]
