"""Mutations of SQL in strings, for cosmic-ray, whose own operators change Python alone."""

import re
from collections.abc import Iterator
from typing import Any

from cosmic_ray.operators.operator import Example, Operator

# Only where the whole is SQL: a text for a reader may have a word of it.
IS_SQL = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM|WHERE|CASE WHEN|FOR NO KEY|FOR UPDATE|FOR SHARE)\b")
# Each match of each pattern is one mutation.
RULES = (
    ("a lock dropped", r" FOR (?:(?:NO KEY )?UPDATE|SHARE)(?: SKIP LOCKED)?", ""),
    ("< for <=", r"(?<= )<=(?= )", "<"),
    ("<= for <", r"(?<= )<(?= )", "<="),
    ("> for >=", r"(?<= )>=(?= )", ">"),
    (">= for >", r"(?<= )>(?= )", ">="),
    ("= for <>", r"(?<= )<>(?= )", "="),
    ("<> for =", r"(?<= )=(?= ')", "<>"),
    ("OR for AND", r"\bAND\b", "OR"),
    ("AND for OR", r"\bOR\b", "AND"),
    ("- for +", r"(?<= )\+(?= )", "-"),
    ("+ for -", r"(?<= )-(?= )", "+"),
    ("greatest for least", r"\bleast\(", "greatest("),
    ("least for greatest", r"\bgreatest\(", "least("),
    ("round for trunc", r"\btrunc\(", "round("),
    ("max for sum", r"\bsum\(", "max("),
    ("NOT dropped", r"(?<!IS )\bNOT (?!MATERIALIZED)", ""),
    ("IS NULL for IS NOT NULL", r"\bIS NOT NULL\b", "IS NULL"),
    ("IS NOT NULL for IS NULL", r"\bIS NULL\b", "IS NOT NULL"),
    ("ELSE 1 for ELSE 0", r"\bELSE 0\b", "ELSE 1"),
    ("ascending for descending", r" DESC\b", ""),
)


class ReplaceSql(Operator):
    """Changes one place of an SQL text, whether the text is plain or part of an f-string."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        for _ in places(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        start, end, replacement = list(places(node))[index]
        node.value = node.value[:start] + replacement + node.value[end:]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example('"SELECT 1 FROM t WHERE a < b"', '"SELECT 1 FROM t WHERE a <= b"'),
            Example('x = "SELECT 1 FROM t FOR UPDATE"', 'x = "SELECT 1 FROM t"'),
        )


def places(node: Any) -> Iterator[tuple[int, int, str]]:
    """Yield where in the node's text something can be replaced, and by what."""
    if node.type not in ("string", "fstring_string") or is_docstring(node) or not IS_SQL.search(whole_of(node)):
        return
    for _, pattern, replacement in RULES:
        for found in re.finditer(pattern, node.value):
            yield found.start(), found.end(), replacement


def whole_of(node: Any) -> str:
    """Return the text that the node is part of."""
    return node.parent.get_code() if node.type == "fstring_string" else node.value


def is_docstring(node: Any) -> bool:
    return node.parent is not None and node.parent.type == "simple_stmt"
