"""Builders of markets for tests; mirrored ones come from a simulated Polymarket through our own services."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from django.db import transaction
from django.test import Client

from devtools.simulators.polymarket import Simulator
from markets import listings, rules, tasks
from markets.models import Market, MarketEvent
from markets.polymarket.client import PolymarketClient, fill_client, job_client, request_client
from markets.polymarket.transport import RequestPolicy

MARKETS = "/api/v1/markets"
STALE_BOUND = 60
CENT = Decimal("0.01")
BRISK = RequestPolicy(connect=1, read=0.5, total=2, attempts=2, backoff=0.01, backoff_max=0.02)


def clear_clients() -> None:
    """Drop the process's clients and their circuit breakers: those of the next call have the settings of then."""
    for client in (job_client, request_client, fill_client):
        client.cache_clear()


def polymarket_client(simulator: Simulator, policy: RequestPolicy = BRISK) -> PolymarketClient:
    """A client of the simulated Polymarket, which retries quickly."""
    return PolymarketClient(gamma_url=simulator.gamma_url, clob_url=simulator.clob_url, policy=policy)


def ingest(simulator: Simulator, *, now: datetime | None = None, **options: Any) -> dict[str, Any]:
    """One run of ingestion; by default of everything there is."""
    wanted = {"limit": rules.INGEST_LIMIT_MAX, "recheck_limit": 1_000} | options
    result = tasks.run_ingestion(client=polymarket_client(simulator), now=now or datetime.now(UTC), **wanted)
    assert result is not None, "another run is under way"
    return result


def add_market(**fields: Any) -> Market:
    """A market made in the house; `status`, `market_type` and all else as given."""
    given: dict[str, Any] = {
        "market_type": Market.Type.CREDITS,
        "slug": "will-the-kettle-boil",
        "title": "Will the kettle boil?",
        "this_option": "Yes",
        "that_option": "No",
        "this_odds": Decimal("0.6000"),
        "that_odds": Decimal("0.4000"),
        "odds_updated_at": datetime.now(UTC),
        "category": "general",
        "image_url": "https://img.example/kettle.png",
    } | fields
    return Market.objects.create(**given)


def add_mirrored(number: int = 1, **fields: Any) -> Market:
    """A market as it was copied from Polymarket, which may not know it (any more)."""
    own = {
        "market_type": Market.Type.POLYMARKET,
        "polymarket_id": f"0x{number:064x}",
        "this_token_id": f"{number}1",
        "that_token_id": f"{number}2",
        **best_prices(fields.get("this_odds", Decimal("0.6000"))),
    }
    return add_market(**(own | fields))


def add_event(number: int = 1, **fields: Any) -> MarketEvent:
    """An event as it was copied from Polymarket."""
    given: dict[str, Any] = {
        "polymarket_id": str(number),
        "slug": f"event-{number}",
        "title": f"Event {number}",
        "image_url": "https://img.example/event.png",
        "category": "general",
    } | fields
    return MarketEvent.objects.create(**given)


def add_outcome(event: MarketEvent, number: int, label: str = "", /, odds: str = "0.5", **fields: Any) -> Market:
    """A mirrored market of the event, with the odds of THIS."""
    this = Decimal(odds).quantize(Decimal("0.0001"))
    own = {"event": event, "event_slug": event.slug, "event_title": event.title, "group_title": label}
    own |= {"title": f"Will it be {label}?", "slug": f"will-it-be-{number}", "category": event.category}
    return add_mirrored(number, **(own | {"this_odds": this, "that_odds": 1 - this} | fields))


def best_prices(odds: Decimal) -> dict[str, Decimal | None]:
    """Bid and ask a cent below and above the odds, where there is room."""
    bid, ask = odds - CENT, odds + CENT
    return {"bid": bid if bid > 0 else None, "ask": ask if ask < 1 else None}


def can_be_bet_on(market: Market, now: datetime) -> bool:
    """Whether a bet on the market can be placed, as far as lists can tell."""
    known = None not in (market.bid, market.ask)
    return (
        (market.status, market.suspended_reason, market.accepting_orders) == ("open", "", True)
        and (market.expires_at is None or market.expires_at > now)
        and 0 < market.this_odds < 1
        and (market.market_type == "credits" or (known and market.ask - market.bid <= rules.MAX_SPREAD))
    )


def add_past(status: str = "resolved", **fields: Any) -> Market:
    """A market that is over."""
    ended: dict[str, Any] = {"status": status}
    if status in ("resolved", "cancelled"):
        ended |= {"resolution": "invalid" if status == "cancelled" else "this", "resolved_at": datetime.now(UTC)}
    return add_market(**(ended | fields))


def publish() -> None:
    """Gives markets that weren't ingested their place in the lists, as the task does every minute."""
    listings.publish_edition_if_outdated(now=datetime.now(UTC))


def publish_at(moment: datetime) -> None:
    """An edition as of that moment."""
    with transaction.atomic():
        listings.publish_edition(now=moment)


def age_odds(seconds: float = STALE_BOUND + 1, **wanted: Any) -> None:
    """Makes the stored odds that old: nothing refreshed them for so long."""
    Market.objects.filter(**wanted).update(odds_updated_at=datetime.now(UTC) - timedelta(seconds=seconds))


def read(api: Client, path: str = "", /, **query: Any) -> dict[str, Any]:
    """A GET below /api/v1/markets that must succeed; numbers with a fraction as Decimal, so that nothing is lost."""
    response = api.get(MARKETS + path, query)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [market["id"] for market in body["data"]]


def pages(api: Client, /, **query: Any) -> list[list[str]]:
    """The ids of every page, from the first to the one without a `nextCursor`."""
    found, cursor = [], {}
    for _ in range(1_000):
        body = read(api, **query, **cursor)
        found.append(ids(body))
        if body["nextCursor"] is None:
            return found
        cursor = {"cursor": body["nextCursor"]}
    raise AssertionError("the list never ends")


def every_id(api: Client, /, **query: Any) -> list[str]:
    """The ids of all pages, one after the other."""
    return list(chain.from_iterable(pages(api, **query)))


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an error response of that status and code, in the one shape."""
    assert response.status_code == status, response.content
    body: dict[str, Any] = response.json()
    assert body["success"] is False
    assert body["code"] == code
    assert isinstance(body["error"], str)
    assert body["error"]
    assert ("details" in body) == (code == "validation_error")
    return body


def fields_of(body: dict[str, Any]) -> list[str]:
    return [detail["field"] for detail in body["details"]]
