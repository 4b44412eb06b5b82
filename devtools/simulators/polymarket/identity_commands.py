"""Commands that change what a market is: its words, its ids, its flags, and single fields to nonsense."""

from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

from .state import Listed, MarketState

Host = Literal["gamma", "clob"]


class IdentityCommands(MarketState):
    """Commands that do what upstream was seen to do to markets it had already shown."""

    __slots__ = ()

    def reorder(self, *, outcomes: bool = True, prices: bool = True, tokens: bool = True) -> None:
        """Reverse lists in Gamma; once more puts them back. Best prices and the last trade go with `prices`.

        Commands and the CLOB keep calling THIS what was THIS.
        """
        chosen: tuple[tuple[Listed, bool], ...] = (("outcomes", outcomes), ("prices", prices), ("tokens", tokens))
        with self.clock.lock:
            self.reordered ^= {name for name, wanted in chosen if wanted}
            self.script()

    def change_tokens(self, *, length: int = 0) -> None:
        """Give it two new token ids, of at least `length` digits; the old ones are unknown from now on."""
        with self.clock.lock:
            self.tokens = tuple(_another(token).ljust(length, "0") for token in self.tokens)
            self.clock.register(self)
            self.script()

    def rename_outcomes(self, a: str, b: str) -> None:
        """Give the two outcomes other names. Raises ValueError where there are more than two."""
        with self.clock.lock:
            if len(self.outcomes) != 2:  # noqa: PLR2004 - binary
                raise ValueError("only a binary market has two outcomes to rename")
            self.outcomes = (a, b)
            self.script()

    def equal_outcomes(self) -> None:
        """Give both outcomes the name of the first."""
        self.rename_outcomes(self.outcomes[0], self.outcomes[0])

    def edit(self, *, question: str | None = None, description: str | None = None) -> None:
        with self.clock.lock:
            self.question = self.question if question is None else question
            self.description = self.description if description is None else description
            self.script()

    def blank_question(self) -> None:
        self.edit(question="")

    def move_end(self, date: datetime | None) -> None:
        """Change its planned end; None drops it."""
        self._set(ends_at=date)

    def archive(self) -> None:
        """Set the flag; listed and open it stays."""
        self._set(archived=True)

    def unarchive(self) -> None:
        self._set(archived=False)

    def deactivate(self) -> None:
        """Set the flag and take its book away."""
        self._set(active=False)

    def activate(self) -> None:
        self._set(active=True)

    def delete(self) -> None:
        """Make it unknown to both hosts: not listed, not nested in its event, 404."""
        self._set(deleted=True)

    def restore(self) -> None:
        """Undo `delete`."""
        self._set(deleted=False)

    def duplicate_condition_id(self, other: MarketState) -> None:
        """List it under the condition id of another market; the CLOB keeps that id for the other."""
        self._set(condition_id=other.condition_id)

    def poison(self, field: str, value: Any, *, host: Host = "gamma") -> None:
        """Serve any JSON value in one field, until `cure`. Ids by which it is found stay good.

        With `host="clob"` a field of the market, of its tokens (`token_id`, `outcome`, `price`, `winner`), of its
        books, or `mid` and `spread` of the live prices.
        """
        if host not in {"gamma", "clob"}:
            raise ValueError("a host is gamma or clob")
        with self.clock.lock:
            (self.poison_gamma if host == "gamma" else self.poison_clob)[field] = value
            self.script()

    def cure(self) -> None:
        """Take all poison away."""
        self._set(poison_gamma={}, poison_clob={})

    def _set(self, **changed: object) -> None:
        with self.clock.lock:
            for name, value in changed.items():
                setattr(self, name, value)
            self.clock.ordering += 1
            self.script()


def _another(token: str) -> str:
    digest = blake2b(token.encode(), digest_size=32).digest()
    return str(int.from_bytes(digest, "big") | 1 << 252)
