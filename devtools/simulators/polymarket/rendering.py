"""Gamma's objects as JSON. Every object keeps its bytes until it changes."""

import json

from .event import Event
from .event_shapes import gamma_event, gamma_tag
from .market import Market
from .market_shapes import gamma_market


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def market_json(market: Market) -> bytes:
    """A market as it lies in its event: no `events`, no tags."""
    if market.json is None:
        market.json = dump(gamma_market(market))
    return market.json


def market_with_event_json(market: Market, *, tags: bool = False) -> bytes:
    """A market as `/markets` gives it: with its event, and its tags where `include_tag` asked for them."""
    ending = b',"tags":' + tags_json(market.event) + b"}" if tags else b"}"
    return market_json(market)[:-1] + b',"events":[' + _brief_json(market.event) + b"]" + ending


def event_json(event: Event) -> bytes:
    markets = b",".join([market_json(market) for market in event.markets])
    return _brief_json(event)[:-1] + b',"markets":[' + markets + b'],"tags":' + tags_json(event) + b"}"


def tags_json(event: Event) -> bytes:
    if event.tags_json is None:
        event.tags_json = dump([gamma_tag(tag) for tag in event.tags])
    return event.tags_json


def _brief_json(event: Event) -> bytes:
    if event.brief_json is None:
        event.brief_json = dump(gamma_event(event))
    return event.brief_json
