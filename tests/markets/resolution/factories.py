"""Markets on their way to an end, and what was recorded about them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from devtools.simulators.polymarket import Market as Upstream
from devtools.simulators.polymarket import Simulator
from markets import tasks
from markets.models import Market, MarketResolution
from markets.rules import RESOLVE_LIMIT
from tests.markets.factories import add_market, polymarket_client


def resolve(simulator: Simulator, *, now: datetime | None = None, **options: Any) -> dict[str, Any]:
    """One run, as the task does it every minute."""
    wanted: dict[str, Any] = {"client": polymarket_client(simulator), "limit": RESOLVE_LIMIT} | options
    result = tasks.run_resolution(now=now or datetime.now(UTC), **wanted)
    assert result is not None, "another run is under way"
    return result


def mirror(upstream: Upstream, **fields: Any) -> Market:
    """A market of Polymarket's as we have it, past its planned end."""
    given = {
        "market_type": Market.Type.POLYMARKET,
        "polymarket_id": upstream.condition_id,
        "this_token_id": upstream.tokens[0],
        "that_token_id": upstream.tokens[1],
        "title": upstream.question,
        "expires_at": datetime.now(UTC) - timedelta(hours=1),
    }
    return add_market(**(given | fields))


def some(simulator: Simulator, number: int) -> list[Upstream]:
    """So many open, undisputed markets."""
    quiet = [market for market in simulator.world.good_markets() if market.uma_status is None]
    assert len(quiet) >= number
    return quiet[:number]


def state(market: Market) -> tuple[str, str | None]:
    market.refresh_from_db(fields=["status", "resolution", "resolved_at"])
    assert (market.resolved_at is None) == (market.resolution is None)
    return market.status, market.resolution


def decisions(market: Market) -> list[str]:
    """What was recorded about it, first to last."""
    return list(MarketResolution.objects.filter(market=market).order_by("id").values_list("decision", flat=True))


def last(market: Market) -> MarketResolution:
    return MarketResolution.objects.filter(market=market).latest("id")
