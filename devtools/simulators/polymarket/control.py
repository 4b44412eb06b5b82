"""Control endpoints, `/_control/...`: the commands of the simulator over HTTP. Served on loopback only."""

from decimal import Decimal, InvalidOperation
from typing import Any

from .faults import Faults
from .formats import dump, rfc3339
from .messages import RefusedError, Request, RequestLog, Response
from .models import Market
from .world import World

PREFIX = "/_control/"
MAX_TICKS = 10_000


class Control:
    """Responds to the control paths; a command that can't be carried out gets a 400 that says why."""

    def __init__(self, world: World, faults: Faults, requests: RequestLog) -> None:
        self._world = world
        self._faults = faults
        self._requests = requests

    def respond(self, request: Request) -> Response:
        body = request.body if isinstance(request.body, dict) else {}
        try:
            match request.method, request.path.removeprefix(PREFIX):
                case "GET", "state":
                    pass
                case "POST", "tick":
                    self._tick(body.get("ticks", 1))
                case "POST", "faults":
                    self._faults.set_from_json(request.body)
                case "POST", "market":
                    return Response(200, dump(self._command(body)))
                case _:
                    raise RefusedError(404, {"error": "no such control"})
        except (KeyError, ValueError, TypeError, InvalidOperation) as error:
            raise RefusedError(400, {"error": str(error)}) from error
        return Response(200, dump(self._state()))

    def _tick(self, ticks: object) -> None:
        if not isinstance(ticks, int) or not 0 < ticks <= MAX_TICKS:
            raise ValueError(f"ticks is a whole number from 1 to {MAX_TICKS}")
        self._world.tick(ticks)

    def _command(self, body: dict[str, Any]) -> dict[str, Any]:
        """`{"market": any id, "do": "resolve", ...}` with the options of the command of that name."""
        options = {key: value for key, value in body.items() if key not in {"market", "do"}}
        market = self._world.find(str(body.get("market")))
        _run_command(market, str(body.get("do")), options)
        return {
            "id": market.id,
            "condition_id": market.condition_id,
            "price": str(market.price),
            "closed": market.closed,
            "uma_status": market.uma_status,
        }

    def _state(self) -> dict[str, Any]:
        world = self._world
        with world.clock.lock:
            return {
                "tick": world.ticks,
                "now": rfc3339(world.now),
                "seed": world.seed,
                "events": len(world.events),
                "markets": len(world.markets),
                "good_markets": sum(market.is_good for market in world.markets),
                "faults": self._faults.active(),
                "requests": len(self._requests),
            }


def _run_command(market: Market, command: str, options: dict[str, Any]) -> None:
    match command:
        case "set_price":
            market.set_price(Decimal(str(options.pop("price", ""))), **options)
        case "resolve" if options.get("outcome") not in {"this", "that", "50-50"}:
            raise ValueError("outcome is this, that or 50-50")
        case "resolve" | "propose" | "dispute" | "close" | "stop_accepting" | "drop_prices" | "rename" | "set_volume":
            getattr(market, command)(**options)
        case _:
            raise ValueError(f"no command is called {command!r}")
