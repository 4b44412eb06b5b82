"""Acting on many objects at once, so that one that fails never stops the rest."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import DataError, IntegrityError

T = TypeVar("T")
R = TypeVar("R")
logger = logging.getLogger(__name__)

# What is wrong with one object and doesn't pass: a value that can't be stored, or that our code didn't expect.
OBJECT_ERRORS = (DataError, IntegrityError, TypeError, ValueError, ArithmeticError)
Failures = type[Exception] | tuple[type[Exception], ...]


def act_by_halves(
    items: Sequence[T],
    act: Callable[[list[T]], R],
    *,
    failures: Failures,
    on_failed: Callable[[T, Exception], None],
    size: int | None = None,
    failures_in_a_row: int | None = None,
) -> list[R]:
    """Act on groups of `size`; on the halves of one that failed, and theirs, down to the items that fail alone.

    Return the results. `failures` are exceptions that an item may be to blame for: after so many without a success
    between them no item is, and `on_failed` is called with all that are left. Any other exception is raised.
    """
    size = size or max(len(items), 1)
    groups = [list(items[start : start + size]) for start in range(0, len(items), size)][::-1]
    results, failed = [], 0
    while groups:
        group = groups.pop()
        try:
            results.append(act(group))
            failed = 0
        except failures as exc:
            failed += 1
            if failures_in_a_row and failed >= failures_in_a_row:
                for item in [*group, *(item for other in reversed(groups) for item in other)]:
                    on_failed(item, exc)
                return results
            if len(group) == 1:
                on_failed(group[0], exc)
                continue
            logger.warning("%d objects failed as one, their halves are tried: %s", len(group), type(exc).__name__)
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return results
