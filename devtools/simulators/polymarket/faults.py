"""Switches that make the simulated upstream misbehave."""

from dataclasses import asdict, dataclass, fields
from random import Random
from threading import Condition
from typing import Any, Literal, get_args

Kind = Literal[
    "status", "html", "broken_json", "wrong_shape", "hang", "drip", "reset", "repeat_cursor", "malformed", "latency"
]
KINDS: tuple[str, ...] = get_args(Kind)
# These change how an answer is made; the others replace it or stand in its way.
TRICKS = frozenset({"repeat_cursor", "malformed"})


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One switch.

    `path` is a prefix. `times` is for how many requests, None until cleared. `probability` is drawn from the seed.
    `status` and `retry_after` (seconds) belong to `status`; with `retry_after_date` the header is an HTTP date.
    `seconds` is how long a `hang` lasts, the pause between two bytes of a `drip`, the delay of `latency`.
    """

    kind: Kind
    path: str = "/"
    times: int | None = None
    probability: float = 1.0
    status: int = 503
    retry_after: int | None = None
    retry_after_date: bool = False
    seconds: float = 30.0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults that are on. Threads ask `pick`; whoever waits in `pause` wakes on `clear`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"faults:{seed}")  # noqa: S311 - faults to be repeated, not a secret
        self._faults: list[Fault] = []
        self._changed = Condition()

    def set(self, kind: Kind, **options: Any) -> Fault:
        """Switch a fault on, beside those that are, with `Fault`'s options. Its `hits` counts the victims."""
        fault = Fault(kind=kind, **options)
        with self._changed:
            self._faults.append(fault)
        return fault

    def set_from_json(self, given: object) -> None:
        """An object switches one fault on; a list replaces all, so `[]` clears. Raises ValueError for anything else."""
        wanted = given if isinstance(given, list) else [given]
        faults = [_fault(item) for item in wanted]
        if isinstance(given, list):
            self.clear()
        with self._changed:
            self._faults += faults

    def clear(self) -> None:
        """Switch all off and let go of the requests that hang."""
        with self._changed:
            self._faults = []
            self._changed.notify_all()

    def active(self) -> list[dict[str, Any]]:
        with self._changed:
            return [asdict(fault) for fault in self._faults if not fault.spent]

    def pick(self, path: str) -> tuple[Fault, ...]:
        """The faults this request meets: any number of tricks and latencies, and at most one of the others."""
        with self._changed:
            met: list[Fault] = []
            for fault in self._faults:
                gentle = fault.kind in TRICKS or fault.kind == "latency"
                blocked = not gentle and any(other.kind not in TRICKS | {"latency"} for other in met)
                if not blocked and self._strikes(fault, path):
                    fault.hits += 1
                    met.append(fault)
            return tuple(met)

    def pause(self, fault: Fault, seconds: float) -> bool:
        """Wait while the fault is on, at most `seconds`; True if it is off."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(other is fault for other in self._faults), seconds)

    def _strikes(self, fault: Fault, path: str) -> bool:
        if fault.spent or not path.startswith(fault.path):
            return False
        return fault.probability >= 1 or self._random.random() < fault.probability


def _fault(given: object) -> Fault:
    if not isinstance(given, dict):
        raise ValueError("a fault is an object")  # noqa: TRY004 - the caller sent it, it is a value
    known = {field.name for field in fields(Fault)} - {"hits"}
    unknown = sorted(set(given) - known)
    if unknown or "kind" not in given:
        raise ValueError(f"a fault needs a kind, and knows nothing of {unknown}" if unknown else "a fault needs a kind")
    return Fault(**given)
