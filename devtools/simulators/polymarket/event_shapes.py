"""Events and tags as Gamma writes them. A key that is absent upstream is absent here: never null."""

from datetime import datetime
from typing import Any

from .event import Event, Tag
from .stamps import rfc3339, slugify

Json = dict[str, Any]
PICTURES = "https://polymarket-upload.s3.us-east-2.amazonaws.com"
_TAGGED_AT = "2026-01-15T22:12:06.287173Z"


def picture(event: Event) -> str:
    return f"{PICTURES}/{event.slug}-{event.number:x}.jpg"


def digits(number: int) -> int:
    """Trailing zeros are cut upstream, so any number of decimals occurs."""
    return (6, 6, 5, 6, 3, 6, 0, 6, 4, 2, 1)[number % 11]


def gamma_tag(tag: Tag) -> Json:
    shape: Json = {"id": str(tag.number), "label": tag.label, "slug": tag.slug}
    if tag.number % 3:
        shape |= {"forceShow": False, "publishedAt": "2023-11-02 21:23:16.384+00"}
    if tag.number % 4:
        shape |= {"createdAt": "2023-11-02T21:23:16.39Z"}
    return {**shape, "updatedAt": _TAGGED_AT, "requiresTranslation": False}


def gamma_event(event: Event) -> Json:
    """An event without its markets and tags, as it is quoted inside a market. Amounts are numbers."""
    shape: Json = {
        "id": event.id,
        "ticker": event.slug,
        "slug": event.slug,
        "title": event.title,
        "description": event.rules,
        "resolutionSource": event.source,
        "image": picture(event) if event.has_picture else "",
        "icon": picture(event) if event.has_picture else "",
        "active": event.active,
        "closed": event.closed,
        "archived": False,
        "new": False,
        "featured": event.number % 19 == 0,
        "restricted": True,
        "openInterest": 0,
        "enableOrderBook": True,
        "negRisk": event.neg_risk,
        "enableNegRisk": event.neg_risk,
        "negRiskAugmented": any(market.placeholder for market in event.markets),
        "commentCount": event.number % 900,
        "cyom": False,
        "showAllOutcomes": True,
        "showMarketImages": False,
        "automaticallyActive": True,
        "cumulativeMarkets": False,
        "pendingDeployment": False,
        "deploying": False,
        "requiresTranslation": False,
        **_event_amounts(event),
        **_event_times(event),
    }
    if event.neg_risk:
        shape["negRiskMarketID"] = event.neg_risk_id
    return shape


def _event_amounts(event: Event) -> Json:
    total, day = round(event.volume, 6), round(event.volume24hr, 6)
    shape: Json = {"volume": total, "volume1yr": total, "volume1mo": round(min(total, day * 21), 6)}
    if not event.closed:
        liquidity, week = round(event.liquidity, 5), round(min(total, day * 6), 6)
        shape |= {"volume24hr": day, "volume1wk": week, "liquidity": liquidity, "liquidityClob": liquidity}
    return shape


def _event_times(event: Event) -> Json:
    decimals = digits(event.number)
    shape: Json = {
        "startDate": rfc3339(event.starts_at, decimals),
        "creationDate": rfc3339(event.starts_at, decimals),
        "createdAt": rfc3339(event.created_at, decimals),
        "updatedAt": rfc3339(event.updated_at or event.created_at, 6),
    }
    times: dict[str, datetime | None] = {"endDate": event.ends_at, "startTime": event.game_at}
    if event.closed:
        times["closedTime"] = event.closed_at
    shape |= {key: rfc3339(moment) for key, moment in times.items() if moment}
    if event.series:
        shape |= {"seriesSlug": slugify(event.series), "series": [_series(event)]}
    return shape


def _series(event: Event) -> Json:
    title = event.series or ""
    slug = slugify(title)
    return {
        "id": str(10_000 + sum(map(ord, slug))),
        "ticker": slug,
        "slug": slug,
        "title": title,
        "seriesType": "single",
        "recurrence": title.rsplit(" ", 1)[-1],
        "image": "",
        "icon": "",
        "active": True,
        "closed": False,
        "archived": False,
        "volume": 64234.19,
        "requiresTranslation": False,
    }
