"""Points as they were recorded at some time, and what is read of them."""

from datetime import datetime, timedelta
from decimal import Decimal

from markets.history.models import MarketHourlyPoint, MarketPoint
from markets.history.recording import add_partitions, record_points
from markets.models import Market, MarketWatch
from tests.markets.factories import read

A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def add_points(market: Market, points: dict[datetime, int], *, hourly: bool = False) -> None:
    """Points of 1/10000 by their time."""
    model = MarketHourlyPoint if hourly else MarketPoint
    add_partitions(model._meta.db_table, min(points), max(points))
    model.objects.bulk_create(model(market_id=market.pk, recorded_at=at, this_odds=odds) for at, odds in points.items())


def set_odds(market: Market, odds: str, at: datetime, **fields) -> None:
    """Odds of the order book that were confirmed at that time."""
    prices = {"this_odds": Decimal(odds), "that_odds": 1 - Decimal(odds), "odds_live": True, "odds_updated_at": at}
    Market.objects.filter(pk=market.pk).update(**(prices | fields))


def watch(market: Market, until: datetime) -> None:
    MarketWatch.objects.update_or_create(market=market, defaults={"watched_until": until})


def recorded(market: Market) -> list[int]:
    rows = MarketPoint.objects.filter(market_id=market.pk).order_by("recorded_at")
    return list(rows.values_list("this_odds", flat=True))


def record_at(market: Market, odds: str, at: datetime, **fields) -> int:
    """Odds change, and the job of that minute runs."""
    set_odds(market, odds, at, **fields)
    return record_points(now=at)


def history(api, market: Market, interval: str | None = None) -> dict:
    return read(api, f"/{market.pk}/history", **({"interval": interval} if interval else {}))


def odds_of(body: dict) -> list[Decimal]:
    return [point["thisOdds"] for point in body["data"]]


def times_of(body: dict) -> list[datetime]:
    return [datetime.fromisoformat(point["t"]) for point in body["data"]]
