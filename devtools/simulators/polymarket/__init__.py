"""A simulator of Polymarket's public read API: seeded, deterministic, with faults on demand.

    with Simulator(seed=7, events=50) as upstream:
        market = upstream.world.find(condition_id)
        market.set_book(bids=[("0.40", 100)], asks=[("0.43", 20), ("0.44", 500)])
        market.resolve("this")
        upstream.faults.set("status", status=429, retry_after=1, path="/events", times=2)
        upstream.faults.set("rate_limit", path="/books", method="POST", per_second=20)

Every command of a market or an event is also a control: `POST /_control/market {"market": id, "do": "resolve", ...}`.

The standard library is all it needs. Run by itself: `python -m devtools.simulators.polymarket --help`.
"""

from .faults import Fault, Faults
from .messages import LoggedRequest, RequestLog
from .models import Event, Market
from .server import Simulator
from .state import Outcome
from .world import World

__all__ = ["Event", "Fault", "Faults", "LoggedRequest", "Market", "Outcome", "RequestLog", "Simulator", "World"]
