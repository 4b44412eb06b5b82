"""What may come of a hostile statement; that it goes through unnoticed isn't among it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """PostgreSQL refuses it: its SQLSTATE, and the constraint or trigger that it names."""

    sqlstate: str
    by: str | None = None


class Found:
    """It goes through, and the audit finds it: by exactly these invariants."""

    def __init__(self, *invariants: str) -> None:
        self.invariants = set(invariants)
        assert invariants, "nothing finds it"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Found) and other.invariants == self.invariants

    def __hash__(self) -> int:
        return hash(frozenset(self.invariants))

    def __repr__(self) -> str:
        return f"Found{tuple(sorted(self.invariants))}"
