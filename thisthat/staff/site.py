"""How the admin looks, and what its sidebar leads to. Read by the settings, so it imports no model."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(f"accounts.{permission}")


def item(title: str, icon: str, page: str, permission: str = "") -> dict[str, Any]:
    link: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{page}")}
    return {**link, "permission": may(permission)} if permission else link


SETTINGS: dict[str, Any] = {
    "SITE_TITLE": "THISTHAT",
    "SITE_HEADER": "THISTHAT",
    "SITE_URL": None,
    "SITE_SYMBOL": "swipe",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {"items": [item("Dashboard", "dashboard", "index")]},
        ],
    },
}
