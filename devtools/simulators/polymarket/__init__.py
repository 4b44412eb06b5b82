"""A simulator of Polymarket's public read API: seeded, deterministic, with faults on demand.

    with Simulator(seed=7, events=50) as upstream:
        upstream.world.find(condition_id).resolve("this")
        upstream.faults.set("status", status=429, retry_after=1, path="/events", times=2)

The standard library is all it needs. Run by itself: `python -m devtools.simulators.polymarket --help`.
"""

from .faults import Fault, Faults
from .messages import LoggedRequest, RequestLog
from .models import Event, Market
from .server import Simulator
from .state import Outcome
from .world import World

__all__ = ["Event", "Fault", "Faults", "LoggedRequest", "Market", "Outcome", "RequestLog", "Simulator", "World"]
