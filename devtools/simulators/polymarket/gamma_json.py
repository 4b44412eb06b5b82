"""Events, markets and tags as Gamma writes them. A key that is absent upstream is absent here: never null."""

import json
from datetime import datetime
from typing import Any

from .books import ONE, Top, readable
from .formats import dump, rfc3339, slugify, spaced
from .models import Event, Market
from .state import HALF, Listed, Tag

Json = dict[str, Any]
PICTURES = "https://polymarket-upload.s3.us-east-2.amazonaws.com"
_TAGGED_AT = "2026-01-15T22:12:06.287173Z"


def picture(event: Event) -> str:
    """Return the address of its picture: upstream's, or where the simulator serves its own."""
    if event.clock.pictures:
        return f"{event.clock.pictures}/{event.slug}-{event.number:x}.svg"
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
        "archived": event.archived,
        "new": False,
        "featured": event.number % 19 == 0,
        "restricted": True,
        "openInterest": 0,
        "enableOrderBook": True,
        "negRisk": event.neg_risk,
        "enableNegRisk": event.neg_risk,
        "negRiskAugmented": any(market.placeholder for market in event.listed),
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


RESOLVER = "0x2F5e3684cb1F318ec51b00Edba38d79Ac2c0aA9d"
SUBMITTER = "0x91430CaD2d3975766499717fA0D66A78D814E5c5"


def gamma_market(market: Market) -> Json:
    """The whole object, in parts, in the order of the subject; poison comes last."""
    return _healthy(market) | market.poison_gamma


def _healthy(market: Market) -> Json:
    if market.event.legacy_category is not None:
        return {**_identity(market), **_times(market), **_legacy(market), **_resolution(market)}
    return {
        **_identity(market),
        **_times(market),
        **_flags(market),
        **_group(market),
        **_amounts(market),
        **_book(market),
        **_fees(market),
        **_resolution(market),
    }


def _identity(market: Market) -> Json:
    shape: Json = {
        "id": market.id,
        "question": market.question,
        "conditionId": market.condition_id,
        "slug": market.slug,
        "image": picture(market.event) if market.has_image else "",
        "icon": picture(market.event) if market.has_icon else "",
        "description": market.event.rules if market.description is None else market.description,
        "outcomes": _listed(market, _ordered(market, "outcomes", market.outcomes)),
        "clobTokenIds": _listed(market, _ordered(market, "tokens", market.tokens)),
        "marketMakerAddress": "",
        "umaResolutionStatuses": _listed(market, market.uma_history),
        "resolutionSource": market.event.source,
    }
    prices = market.gamma_prices()
    return shape if prices is None else {**shape, "outcomePrices": _listed(market, prices)}


def _ordered(market: Market, name: Listed, values: tuple[str, ...]) -> list[str]:
    return list(values[::-1] if name in market.reordered else values)


def _listed(market: Market, values: list[str]) -> str | list[str]:
    """JSON inside a string, as upstream writes it; seldom a real array."""
    return list(values) if market.real_arrays else json.dumps(values)


def _times(market: Market) -> Json:
    decimals = digits(market.number)
    shape: Json = {
        "createdAt": rfc3339(market.created_at, decimals),
        "updatedAt": rfc3339(market.updated_at or market.created_at, 6),
        "startDate": rfc3339(market.starts_at, decimals),
        "startDateIso": f"{market.starts_at:%Y-%m-%d}",
        "acceptingOrdersTimestamp": rfc3339(market.created_at),
        "hasReviewedDates": True,
    }
    if market.ends_at:
        shape |= {"endDate": rfc3339(market.ends_at), "endDateIso": f"{market.ends_at:%Y-%m-%d}"}
    if market.event.game_at:
        shape["gameStartTime"] = spaced(market.event.game_at)
    if market.event.series and market.ends_at:
        shape["eventStartTime"] = rfc3339(market.starts_at)
    if market.closed_at:
        shape["closedTime"] = spaced(market.closed_at)
    return shape


def _flags(market: Market) -> Json:
    shape: Json = {
        "active": market.active,
        "closed": market.closed,
        "archived": market.archived,
        "new": False,
        "featured": market.number % 17 == 0,
        "restricted": True,
        "enableOrderBook": True,
        "ready": False,
        "funded": False,
        "cyom": False,
        "pagerDutyNotificationEnabled": False,
        "approved": True,
        "automaticallyActive": True,
        "clearBookOnStart": True,
        "manualActivation": market.placeholder,
        "negRiskOther": False,
        "pendingDeployment": False,
        "deploying": False,
        "rfqEnabled": False,
        "holdingRewardsEnabled": False,
        "requiresTranslation": False,
        "submitted_by": SUBMITTER,
    }
    return shape if market.accepting is None else {**shape, "acceptingOrders": market.accepting}


def _group(market: Market) -> Json:
    shape: Json = {
        "questionID": market.question_id,
        "groupItemThreshold": str(market.position),
        "negRisk": market.event.neg_risk,
    }
    if market.group_title is not None:
        shape["groupItemTitle"] = market.group_title
    if market.event.neg_risk:
        shape |= {"negRiskMarketID": market.event.neg_risk_id, "negRiskRequestID": market.request_id}
    if market.sports_type:
        shape |= {"sportsMarketType": market.sports_type, "gameId": str(market.event.number * 7)}
    return shape if market.line is None else {**shape, "line": market.line}


def _amounts(market: Market) -> Json:
    """Decimal strings and numbers side by side. A decided market has lost its daily volume and its liquidity."""
    volume = _number(market.volume)
    shape: Json = {"volume": str(volume), "volumeNum": volume, "volumeClob": volume}
    month = _number(round(min(market.volume, market.volume24hr * 21), 6))
    shape |= {"volume1mo": month, "volume1moClob": month, "volume1yr": volume, "volume1yrClob": volume}
    if market.final is not None:
        return shape
    liquidity, day = _number(market.liquidity), _number(market.volume24hr)
    week = _number(round(min(market.volume, market.volume24hr * 6), 6))
    shape |= {"liquidity": str(liquidity), "liquidityNum": liquidity, "liquidityClob": liquidity}
    shape |= {"volume24hr": day, "volume24hrClob": day, "volume1wk": week, "volume1wkClob": week}
    if market.placeholder:
        zeros = ("volume24hrAmm", "volume1wkAmm", "volume1moAmm", "volume1yrAmm", "volumeAmm", "liquidityAmm")
        shape |= dict.fromkeys(zeros, 0)
    return shape


def _number(value: float) -> float | int:
    """A whole number is written without a point, as upstream does."""
    return int(value) if value == int(value) else value


def _book(market: Market) -> Json:
    shape: Json = {
        "orderPriceMinTickSize": float(market.tick),
        "orderMinSize": 5,
        "rewardsMinSize": (0, 20, 50, 100)[market.number % 4],
        "rewardsMaxSpread": (0, 3.5, 4.5)[market.number % 3],
    }
    if not market.priced:
        return {**shape, "spread": 1, "bestAsk": 1}
    price = ONE - market.gamma_price if "prices" in market.reordered else market.gamma_price
    if market.final is not None:
        return {**shape, "spread": float(market.tick), "bestAsk": float(min(ONE, price + market.tick))}
    top = _shown_top(market)
    shape |= {"spread": float(top.spread), "competitive": float(ONE / (ONE + (price - HALF) ** 2))}
    shape |= {"lastTradePrice": _last_trade_price(market), "oneDayPriceChange": (market.number % 9 - 4) / 200}
    return {**shape, **({} if top.bid is None else {"bestBid": float(top.bid)}), "bestAsk": float(top.high)}


def _shown_top(market: Market) -> Top:
    return market.gamma_top.mirrored() if "prices" in market.reordered else market.gamma_top


def _last_trade_price(market: Market) -> float | str:
    """A number, 0 before the first trade; set to something else it is that."""
    token = market.tokens[-1 if "prices" in market.reordered else 0]
    trade = market.last_trade(token, market.gamma_top)
    if trade is None:
        return 0.0
    price = readable(trade.price)
    return trade.price if price is None else float(price)


def _fees(market: Market) -> Json:
    kind = market.event.fee_type
    if kind is None:
        return {"feesEnabled": False} if market.number % 2 else {"feesEnabled": False, "feeType": None}
    schedule = {"exponent": 1, "rate": 0.05, "rebateRate": 0.25, "takerOnly": True}
    return {"feesEnabled": True, "feeType": kind, "feeSchedule": schedule, "makerBaseFee": 1000, "takerBaseFee": 1000}


def _resolution(market: Market) -> Json:
    shape: Json = {"umaBond": "500", "umaReward": "5"}
    if market.uma_status is not None:
        shape["umaResolutionStatus"] = market.uma_status
    if market.event.neg_risk or market.resolved_by_oracle:
        shape["resolvedBy"] = RESOLVER
    if market.resolved_by_oracle:
        shape["automaticallyResolved"] = True
    if market.closed_at and market.uma_status is not None:
        shape["umaEndDate"] = rfc3339(market.closed_at)
    return shape


def _legacy(market: Market) -> Json:
    """What is different on a market of 2020 or 2021. These have a category and no `acceptingOrders`."""
    return {
        "category": market.event.legacy_category,
        "marketType": "scalar" if "Long" in market.outcomes else "normal",
        "active": market.active,
        "closed": market.closed,
        "archived": market.archived,
        "restricted": False,
        "volume": str(market.volume),
        "volumeNum": round(market.volume, 2),
        "liquidity": str(market.liquidity),
        "liquidityNum": round(market.liquidity, 2),
        "volume24hr": _number(market.volume24hr),
        "fpmmLive": True,
        "readyForCron": True,
        "spread": 1,
        "bestBid": 0,
        "bestAsk": 1,
        "lastTradePrice": 0,
        "creator": "",
        "feesEnabled": False,
    }


def market_json(market: Market) -> bytes:
    """A market as it lies in its event: no `events`, no tags."""
    if market.json is None:
        market.json = dump(gamma_market(market))
    return market.json


def market_with_event_json(market: Market, *, tags: bool = False) -> bytes:
    """A market as `/markets` gives it: with its event, and its tags where `include_tag` is set."""
    ending = b',"tags":' + tags_json(market.event) + b"}" if tags else b"}"
    return market_json(market)[:-1] + b',"events":[' + _brief_json(market.event) + b"]" + ending


def event_json(event: Event) -> bytes:
    markets = b",".join([market_json(market) for market in event.listed])
    return _brief_json(event)[:-1] + b',"markets":[' + markets + b'],"tags":' + tags_json(event) + b"}"


def tags_json(event: Event) -> bytes:
    if event.tags_json is None:
        event.tags_json = dump([gamma_tag(tag) for tag in event.tags])
    return event.tags_json


def _brief_json(event: Event) -> bytes:
    if event.brief_json is None:
        event.brief_json = dump(gamma_event(event))
    return event.brief_json
