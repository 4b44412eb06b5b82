"""Control endpoints, `/_control/...`: the commands of the simulator over HTTP. Served on loopback only."""

from dataclasses import fields
from decimal import Decimal, InvalidOperation
from inspect import signature
from typing import Any

from .faults import KINDS, Fault, Faults
from .formats import dump, read_time, rfc3339
from .messages import PLAIN, RefusedError, Request, RequestLog, Response
from .models import Event, Market
from .stream import Stream, dump_frame
from .world import World

PREFIX = "/_control"
MAX_TICKS = 10_000
MARKET_COMMANDS = {
    "set_price", "set_volume", "drop_prices", "stop_accepting", "close", "propose", "dispute", "resolve", "rename",
    "set_book", "set_spread", "thin_book", "add_dust", "clear_book", "refuse_books", "set_last_trade",
    "reorder", "change_tokens", "rename_outcomes", "equal_outcomes", "edit", "blank_question", "move_end",
    "duplicate_condition_id", "move_to_event", "reopen", "archive", "unarchive", "deactivate", "activate",
    "delete", "restore", "change_result", "poison", "cure",
}  # fmt: skip
EVENT_COMMANDS = {"edit", "archive", "unarchive", "deactivate", "activate", "delete", "restore", "move_end"}


def described(kind: type, name: str) -> str:
    """Return a command with its options, and the first line of what it does."""
    command = getattr(kind, name)
    options = [str(option).partition(":")[0] for option in list(signature(command).parameters.values())[1:]]
    return f"  {name}({', '.join(options)}) {(command.__doc__ or '').partition(chr(10))[0]}".rstrip()


class Control:
    """Responds to the control paths; a command that can't be carried out gets a 400 that says why."""

    def __init__(self, world: World, faults: Faults, requests: RequestLog, stream: Stream) -> None:
        self._world = world
        self._faults = faults
        self._requests = requests
        self._stream = stream

    def respond(self, request: Request) -> Response:
        if (request.method, request.path.rstrip("/")) == ("GET", PREFIX):
            return Response(200, self._help().encode(), PLAIN)
        try:
            return self._carry_out(request)
        except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as error:
            raise RefusedError(400, {"error": str(error)}) from error

    def _carry_out(self, request: Request) -> Response:
        body = request.body if isinstance(request.body, dict) else {}
        match request.method, request.path.removeprefix(PREFIX).strip("/"):
            case "GET", "state":
                pass
            case "POST", "tick":
                self._tick(body.get("ticks", 1))
            case "POST", "faults":
                self._faults.set_from_json(request.body)
            case "POST", "books":
                self._order_books(body.get("best_first"))
            case "POST", "stream" | "frames" as what:
                self._command_stream(what, body)
            case "POST", "market":
                return Response(200, dump(self._market_command(body)))
            case "POST", "event":
                return Response(200, dump(self._event_command(body)))
            case _:
                raise RefusedError(404, {"error": "no such control"})
        return Response(200, dump(self._state()))

    def _tick(self, ticks: object) -> None:
        if not isinstance(ticks, int) or not 0 < ticks <= MAX_TICKS:
            raise ValueError(f"ticks is a whole number from 1 to {MAX_TICKS}")
        self._world.tick(ticks)

    def _order_books(self, best_first: object) -> None:
        if not isinstance(best_first, bool):
            raise TypeError("best_first is true or false")
        with self._world.clock.lock:
            self._world.best_first = best_first

    def _command_stream(self, what: str, body: dict[str, Any]) -> None:
        if what == "frames":
            self._stream.broadcast(str(body["text"]) if "text" in body else dump_frame(body["frame"]))
        else:
            self._stream.old_shape, self._stream.in_arrays = bool(body.get("old_shape")), bool(body.get("in_arrays"))

    def _market_command(self, body: dict[str, Any]) -> dict[str, Any]:
        """`{"market": any id, "do": "resolve", ...}` with the options of the command of that name."""
        market = self._world.find(str(body.get("market")))
        self._run(market, MARKET_COMMANDS, body)
        return {
            "id": market.id,
            "condition_id": market.condition_id,
            "tokens": market.tokens,
            "price": str(market.price),
            "closed": market.closed,
            "uma_status": market.uma_status,
        }

    def _event_command(self, body: dict[str, Any]) -> dict[str, Any]:
        """`{"event": id or slug, "do": "archive", ...}`, likewise."""
        event = self._world.find_event(str(body.get("event")))
        self._run(event, EVENT_COMMANDS, body)
        return {"id": event.id, "title": event.title, "closed": event.closed, "markets": len(event.listed)}

    def _run(self, target: Market | Event, commands: set[str], body: dict[str, Any]) -> None:
        command = str(body.get("do"))
        if command not in commands:
            raise ValueError(f"no command is called {command!r}")
        given = {key: value for key, value in body.items() if key not in {"market", "event", "do"}}
        if command in {"resolve", "change_result"} and given.get("outcome") not in {"this", "that", "50-50"}:
            raise ValueError("outcome is this, that or 50-50")
        getattr(target, command)(**{key: self._read(command, key, value) for key, value in given.items()})

    def _read(self, command: str, option: str, value: Any) -> Any:
        """An option as the command takes it."""
        match command, option:
            case "set_price", "price":
                return Decimal(str(value))
            case "move_end", "date" if value is not None:
                return read_time(value)
            case "duplicate_condition_id", "other":
                return self._world.find(str(value))
            case "move_to_event", "other_event":
                return self._world.find_event(str(value))
        return value

    def _help(self) -> str:
        """Return what can be asked of the simulator, made of the commands themselves."""
        world = self._world
        lines = [
            f"The simulated Polymarket: seed {world.seed}, tick {world.ticks}, {rfc3339(world.now)}.",
            "",
            "GET  /_control/state   size, time, faults, requests",
            'POST /_control/tick    {"ticks": 20}: let so many ticks pass now; other processes see the time ahead',
            'POST /_control/books   {"best_first": true}: the order in which books list their orders',
            'POST /_control/stream  {"old_shape": true, "in_arrays": true}: how the websocket writes what changed',
            'POST /_control/frames  {"frame": any JSON} or {"text": any text}: send that over all websockets',
            'POST /_control/market  {"market": condition id, token id, number or slug, "do": a command, ... options}',
            'POST /_control/event   {"event": number or slug, "do": a command, ... its options}',
            'POST /_control/faults  {"kind": a fault, ... its options} adds one; a list replaces all, [] ends them',
            "",
            "For example, at this address:",
            """  curl $SIMULATOR/_control/market -d '{"market": "0x...", "do": "resolve", "outcome": "this"}'""",
            """  curl $SIMULATOR/_control/market -d '{"market": "0x...", "do": "dispute"}'""",
            """  curl $SIMULATOR/_control/faults -d '{"kind": "status", "status": 503, "path": "/books"}'""",
            """  curl $SIMULATOR/_control/faults -d '[]'""",
            "",
            'Outcomes: "this", "that", "50-50". What got a command no longer changes by itself.',
        ]
        for title, kind, commands in (
            ("Commands of a market", Market, MARKET_COMMANDS),
            ("Commands of an event", Event, EVENT_COMMANDS),
        ):
            lines += ["", f"{title}:", *(described(kind, name) for name in sorted(commands))]
        options = ", ".join(f"{option.name}={option.default!r}" for option in fields(Fault) if option.name != "kind")
        lines += ["", f"Faults: {', '.join(KINDS)}.", f"Their options: {options}.", ""]
        return "\n".join(lines)

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
                "limited": len(self._requests.limited()),
                "websockets": len(self._stream),
            }
