"""Prices, books, histories and markets as the CLOB writes them: numbers as text, except in a market's tokens."""

from datetime import datetime
from decimal import Decimal
from hashlib import sha1
from math import sin
from typing import Any
from zlib import crc32

from .market import FINAL_PRICES, ONE, ZERO, Market
from .stamps import plain, rfc3339

Json = dict[str, Any]
DEPTH = 12
_MILLION = Decimal(1_000_000)


def midpoint(market: Market, token: str) -> Decimal:
    """The live middle of the token's book."""
    return market.price if token == market.tokens[0] else ONE - market.price


def spread(market: Market) -> Decimal:
    return market.spread * market.tick


def best_price(market: Market, token: str, side: str) -> Decimal:
    """What `side` quotes: `BUY` is the best bid, `SELL` the best ask."""
    half = spread(market) / 2
    middle = midpoint(market, token)
    return middle - half if side == "BUY" else min(ONE, middle + half)


def book(market: Market, token: str, now: datetime) -> Json:
    """The order book of one token. The best bid and the best ask come last in their lists."""
    bid, ask = best_price(market, token, "BUY"), best_price(market, token, "SELL")
    bids = [bid - market.tick * step for step in reversed(range(DEPTH))]
    asks = [ask + market.tick * step for step in reversed(range(DEPTH))]
    shape: Json = {
        "market": market.condition_id,
        "asset_id": token,
        "timestamp": str(int(now.timestamp() * 1000)),
        "bids": [_order(market, price) for price in bids if ZERO < price < ONE],
        "asks": [_order(market, price) for price in asks if ZERO < price < ONE],
        "min_order_size": "5",
        "tick_size": plain(market.tick),
        "neg_risk": market.event.neg_risk,
        "last_trade_price": plain(bid) if bid > ZERO else "",
    }
    digest = sha1(repr(shape).encode(), usedforsecurity=False).hexdigest()
    return {**shape, "hash": digest}


def _order(market: Market, price: Decimal) -> dict[str, str]:
    size = Decimal(crc32(f"{market.number}:{price}".encode()) % 4_000_000 + 500) / 100
    return {"price": plain(price), "size": plain(size)}


def clob_market(market: Market) -> Json:
    """`GET /markets/{condition_id}`: the second source of who won."""
    event = market.event
    return {
        "accepting_order_timestamp": rfc3339(market.created_at),
        "accepting_orders": bool(market.accepting) and not market.closed,
        "active": market.active,
        "archived": False,
        "closed": market.closed,
        "condition_id": market.condition_id,
        "description": event.rules,
        "enable_order_book": not market.closed,
        "end_date_iso": f"{market.ends_at:%Y-%m-%d}T00:00:00Z" if market.ends_at else None,
        "fpmm": "",
        "game_start_time": rfc3339(event.game_at) if event.game_at else None,
        "icon": "",
        "image": "",
        "is_50_50_outcome": market.clob_says_50_50,
        "maker_base_fee": 0,
        "market_slug": market.slug,
        "minimum_order_size": 5,
        "minimum_tick_size": float(market.tick),
        "neg_risk": event.neg_risk,
        "neg_risk_market_id": event.neg_risk_id,
        "neg_risk_request_id": market.request_id,
        "notifications_enabled": True,
        "question": market.question,
        "question_id": market.question_id,
        "rewards": {"max_spread": 4.5, "min_size": 50, "rates": None},
        "seconds_delay": 3 if event.game_at else 0,
        "tags": [tag.label for tag in event.tags] or None,
        "taker_base_fee": 0,
        "tokens": _tokens(market),
    }


def _tokens(market: Market) -> list[Json]:
    prices = FINAL_PRICES.get(market.verdict) or (market.price, *([ONE - market.price] * (len(market.tokens) - 1)))
    winner = {"this": 0, "that": 1}.get(market.verdict)
    return [
        {"outcome": outcome, "price": _number(price), "token_id": token, "winner": index == winner}
        for index, (outcome, token, price) in enumerate(zip(market.outcomes, market.tokens, prices, strict=True))
    ]


def _number(price: Decimal) -> float | int:
    return int(price) if price == int(price) else float(price)


def history(market: Market, token: str, moments: list[int]) -> list[Json]:
    """Prices at `moments` (Unix seconds, rising): two slow waves that end at the live price."""
    if not moments:
        return []
    last, now = moments[-1], float(midpoint(market, token))
    room = min(now, 1 - now)
    phase = crc32(token.encode()) % 628 / 100

    def at(moment: int) -> float:
        back = (last - moment) / 3600
        wave = sin(back / 5 + phase) - sin(phase) + (sin(back / 1.3 + phase) - sin(phase)) / 3
        return round(now + room * wave / 4, 4)

    return [{"t": moment, "p": at(moment)} for moment in moments]
