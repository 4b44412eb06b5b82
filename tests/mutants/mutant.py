"""A planted bug, as data."""

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One bug, planted by replacing a fragment of a file.

    `file`: from the root of the repository; `fragment` is in it exactly once. `bug`: what is wrong then, in a few words.
    `caught_by`: pytest's names of the tests that fail then, as few as possible.
    """

    name: str
    bug: str
    file: str
    fragment: str
    replacement: str
    caught_by: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Return what changes when the bug does, so that a result of another bug isn't taken for one of this."""
        return sha256(f"{self.file}\x00{self.fragment}\x00{self.replacement}".encode()).hexdigest()[:16]

    def plant(self, text: str) -> str:
        """Return the file's text with the bug. Raises ValueError where the fragment isn't in it exactly once."""
        found = text.count(self.fragment)
        if found != 1:
            raise ValueError(f"{self.name}: the fragment is {found} times in {self.file}.")
        return text.replace(self.fragment, self.replacement)
