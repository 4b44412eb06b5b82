"""How the admin looks, and what its sidebar leads to. Read by the settings, so it imports no model."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

INDIGO = {
    "50": "oklch(96.2% .018 272.314)",
    "100": "oklch(93% .034 272.788)",
    "200": "oklch(87% .065 274.039)",
    "300": "oklch(78.5% .115 274.713)",
    "400": "oklch(67.3% .182 276.935)",
    "500": "oklch(58.5% .233 277.117)",
    "600": "oklch(51.1% .262 276.966)",
    "700": "oklch(45.7% .24 277.023)",
    "800": "oklch(39.8% .195 277.366)",
    "900": "oklch(35.9% .144 278.697)",
    "950": "oklch(25.7% .09 281.288)",
}


def may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(f"accounts.{permission}")


def item(title: str, icon: str, page: str, permission: str = "", *, site: str = "admin:") -> dict[str, Any]:
    link: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"{site}{page}"), "page": page}
    return {**link, "permission": may(permission)} if permission else link


def group(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(items)}


# `staff.inbox` adds the badges.
NAVIGATION = [
    {"items": [item("Dashboard", "dashboard", "index"), item("Search", "search", "staff_search", site="")]},
    group(
        "Markets",
        item("Markets", "ballot", "markets_market_changelist", "view_markets"),
        item("Events", "category", "markets_marketevent_changelist", "view_markets"),
        item("Resolution records", "gavel", "markets_marketresolution_changelist", "view_markets"),
        item("Bets", "casino", "betting_bet_changelist", "view_markets"),
        item("Settlements", "payments", "betting_settlement_changelist", "view_markets"),
        item("Failed settlements", "report", "betting_settlementfailure_changelist", "view_markets"),
    ),
    group(
        "Stocks",
        item("Stocks", "show_chart", "economy_stock_changelist", "view_markets"),
        item("Prices", "price_change", "economy_stockprice_changelist", "view_markets"),
        item("Holdings", "account_balance_wallet", "economy_stockholding_changelist", "view_markets"),
        item("Trades", "swap_horiz", "economy_stocktransaction_changelist", "view_markets"),
    ),
    group(
        "Users",
        item("Users", "group", "accounts_user_changelist", "view_people"),
        item("Ledger entries", "receipt_long", "economy_credittransaction_changelist", "view_people"),
        item("Adjustments", "balance", "economy_creditadjustment_changelist", "view_people"),
        item("Daily rewards", "redeem", "economy_dailyreward_changelist", "view_people"),
        item("Unpaid referrals", "group_off", "economy_unpaidreferral_changelist", "view_people"),
        item("Purchases", "shopping_cart", "purchases_creditpurchase_changelist", "view_people"),
        item("Announcements", "campaign", "notifications_announcement_changelist", "announce"),
    ),
    group(
        "System",
        item("Staff actions", "history_edu", "accounts_staffaction_changelist", "view_system"),
        item("Jobs", "schedule", "staff_job_changelist", "view_system"),
        item("Runs of jobs", "history", "common_jobrun_changelist", "view_system"),
    ),
]

SETTINGS: dict[str, Any] = {
    "SITE_TITLE": "THISTHAT",
    "SITE_HEADER": "THISTHAT",
    "SITE_URL": None,
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "swipe",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("staff/symbol.svg")},
    ],
    "STYLES": [lambda _request: static("staff/site.css")],
    "DASHBOARD_CALLBACK": "staff.dashboard.add_metrics",
    "LOGIN": {"form": "staff.login.LoginForm"},
    "COLORS": {"primary": INDIGO},
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    # By Ctrl-K or Cmd-K, or by the field above the sidebar.
    "COMMAND": {"search_callback": "staff.search.command_results"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "staff.inbox.navigation",
    },
}
