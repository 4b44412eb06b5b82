"""Addresses, buttons and costs of the admin's pages about markets and bets, for tests."""

import json
import re
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import StaffAction
from betting.models import Bet, Settlement, SettlementFailure
from economy.models import CreditTransaction
from economy.stocks.models import Stock, StockPrice
from markets.models import Market, MarketResolution

MARKETS, BETS = "/admin/markets/market/", "/admin/betting/bet/"


def decide(name: str, market: Market) -> str:
    """The address of what staff may do about a market."""
    return reverse("admin:markets_market_decide", args=[market.pk, name])


def page(market: Market) -> str:
    return reverse("admin:markets_market_change", args=[market.pk])


def buttons(browser: Client, market: Market) -> set[str]:
    """The names of the actions on the page."""
    body = browser.get(page(market)).content.decode()
    return set(re.findall(rf'href="{MARKETS}{market.pk}/decide/([a-z]+)/"', body))


def state() -> list[Any]:
    """All that a refusal, and looking, must leave as it was."""
    kept = (Market, MarketResolution, Bet, Settlement, SettlementFailure, CreditTransaction, Stock, StockPrice)
    return [list(model.objects.order_by("pk").values()) for model in (*kept, StaffAction)]  # type: ignore[attr-defined]


def shown(browser: Client, address: str, **query: str) -> set[str]:
    """The titles of the markets on a page of the list."""
    body = browser.get(address, query).content.decode()
    return {title.strip() for title in re.findall(r"/change/[^>]*>([^<]+)<p", body)}


def asked(browser: Client, address: str) -> list[str]:
    """The statements that it takes to respond."""
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return [query["sql"] for query in captured]


def rows_read(statements: list[str], table: str) -> int:
    """How many rows of the table the statements look at, those that they then leave out among them."""
    read = 0
    with connection.cursor() as cursor:
        for statement in statements:
            if f'"{table}"' in statement and statement.startswith("SELECT"):
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
                ((plan,),) = cursor.fetchall()
                read += looked_at((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"], table)
    return read


def looked_at(node: dict[str, Any], table: str) -> int:
    own = 0
    if node.get("Relation Name") == table:
        left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        own = round((node["Actual Rows"] + left_out) * node["Actual Loops"])
    return own + sum(looked_at(part, table) for part in node.get("Plans", []))
