"""A shorter replay of a violation: operations are removed as long as the same rule is broken (delta debugging)."""

import re
from collections.abc import Callable, Iterator, Sequence

from tests.simulation.simulation import Report

Try = Callable[[tuple[int, ...]], Report]


def shrink(report: Report, numbers: Sequence[int], attempt: Try, *, tries: int) -> tuple[tuple[int, ...], Report]:
    """Return the fewest operations found, in so many tries, that break the same rule, and the report of their run.

    `attempt` runs a replay. The last operation, which found the violation, stays.
    """
    search = Search(report, attempt, tries)
    last = report.number
    best = tuple(number for number in numbers if last is None or number <= last)
    for related in related_to(report, best):
        if len(related) < len(best) and search.breaks(related):
            best = related
            break
    size = max(1, len(best) // 2)
    while size and not search.is_over:
        shorter = search.without_part(best, size)
        if shorter is None:
            size //= 2
        else:
            best = shorter
    return best, search.report


class Search:
    """What was tried; `report` is of the shortest replay by now."""

    def __init__(self, report: Report, attempt: Try, tries: int) -> None:
        self.report = report
        self._rule = kind_of(report.rule)
        self._attempt, self._left = attempt, tries

    @property
    def is_over(self) -> bool:
        return self._left <= 0

    def breaks(self, numbers: tuple[int, ...]) -> bool:
        self._left -= 1
        found = self._attempt(numbers)
        if found.failed and kind_of(found.rule) == self._rule:
            self.report = found
            return True
        return False

    def without_part(self, numbers: tuple[int, ...], size: int) -> tuple[int, ...] | None:
        """Return the numbers without as many parts of that size as can be spared; None where none can."""
        left, start = numbers, 0
        while start < len(left) - 1 and not self.is_over:
            end = min(start + size, len(left) - 1)
            shorter = left[:start] + left[end:]
            if self.breaks(shorter):
                left = tuple(number for number in shorter if self.report.number is None or number <= self.report.number)
            else:
                start = end
        return left if len(left) < len(numbers) else None


def kind_of(rule: str) -> str:
    """Return the rule without the numbers of users and bets in it."""
    return re.sub(r"\d+", "#", rule)


def related_to(report: Report, numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the operations about the users and markets of the last one, then those about theirs as well."""
    if report.number is None:
        return
    users, markets = report.touched.get(report.number, (frozenset(), frozenset()))
    for _ in range(2):
        kept = []
        wider_users, wider_markets = set(users), set(markets)
        for number in numbers:
            its_users, its_markets = report.touched.get(number, (frozenset(), frozenset()))
            if its_users & users or its_markets & markets or number == report.number:
                kept.append(number)
                wider_users |= its_users
                wider_markets |= its_markets
        yield tuple(kept)
        users, markets = frozenset(wider_users), frozenset(wider_markets)
