from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.http import conditional_page
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerView

from core.api.errors import bad_request, not_found, server_error
from core.api.responses import unchanging
from ops.health import HelloView, ReadyView, health
from ops.metrics import metrics
from ops.views import ExportViewSet
from staff.core.exports import export_list
from staff.login import login
from staff.search import search_page

# Here and not when Django starts: workers and commands have no pages, and start a tenth sooner.
admin.autodiscover()

urlpatterns = [
    path("health", health),
    path("ready", ReadyView.as_view()),
    path("metrics", metrics),
    path("api/hello", conditional_page(HelloView.as_view())),
    path("api/schema", unchanging(SpectacularJSONAPIView.as_view()), name="schema"),
    path("api/docs", unchanging(SpectacularSwaggerView.as_view(url_name="schema"))),
    path("api/redoc", unchanging(SpectacularRedocView.as_view(url_name="schema", template_name="common/redoc.html"))),
    path("api/v1/users/me/export", ExportViewSet.as_view({"get": "retrieve"})),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("markets.urls")),
    path("api/v1/", include("economy.urls")),
    path("api/v1/bets", include("betting.urls")),
    path("api/v1/purchases", include("purchases.urls")),
    path("api/v1/", include("leaderboard.urls")),
    path("api/v1/stream", include("stream.urls")),
    path("api/v1/", include("notifications.urls")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/login/", login),
    path("admin/find/", admin.site.admin_view(search_page), name="staff_search"),
    path("admin/export/<slug:app>/<slug:model>/", admin.site.admin_view(export_list), name="staff_export"),
    path("admin/", admin.site.urls),
    # The welcome page. In production `/` is like any unknown path.
    *([path("", include("devtools.urls"))] if settings.DEBUG else []),
    # The last pattern, so that an unknown path gets the one error shape with DEBUG on as with it off.
    re_path(r"", not_found),
]
handler400 = bad_request
handler404 = not_found
handler500 = server_error
