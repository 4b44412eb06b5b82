"""What lists of markets and events are sorted and searched by, and the indexes of markets that follow from it."""

from dataclasses import dataclass
from typing import Literal

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce


@dataclass(frozen=True, slots=True)
class Sort:
    """What a list is sorted by: a column, ids deciding among equal values. `null_as`: what its nulls count as."""

    column: str
    type: Literal["numeric", "timestamptz"]
    direction: Literal["ASC", "DESC"] = "DESC"
    null_as: str = ""

    def key_of(self, table: str) -> str:
        """Return the sort key in SQL about the table."""
        return f"coalesce({table}.{self.column}, '{self.null_as}')" if self.null_as else f"{table}.{self.column}"

    @property
    def of_index(self) -> tuple[OrderBy, OrderBy]:
        """Return the same order for an index."""
        key: F | Coalesce = F(self.column)
        if self.null_as:
            key = Coalesce(self.column, Value(self.null_as), output_field=models.DateTimeField())
        is_descending = self.direction == "DESC"
        return OrderBy(key, descending=is_descending), OrderBy(F("id"), descending=is_descending)


# The sorts of market and event lists: editions, cursors and the indexes of markets that are over are made of them.
SORTS = {
    "trending": Sort("volume_24hr", "numeric"),
    "newest": Sort("created_at", "timestamptz"),
    "ending": Sort("expires_at", "timestamptz", "ASC", null_as="infinity"),
    "liquidity": Sort("liquidity", "numeric"),
    "volume": Sort("volume", "numeric"),
}


def past_indexes() -> list[models.Index]:
    """For every sort of the markets that are over: by status, and by status and category."""
    over = ~Q(status="open")
    return [
        models.Index(*(F(field) for field in scope), *sort.of_index, condition=over, name=f"markets_{prefix}_{name}")
        for name, sort in SORTS.items()
        for prefix, scope in (("past", ["status"]), ("past_in", ["status", "category"]))
    ]


def resolution_indexes() -> list[models.Index]:
    """Indexes for the queue of `markets.resolution.job`: closed ones, then open ones past their end."""
    mirrored = Q(market_type="polymarket")
    unseen = Q(upstream_checked_at__isnull=True) | Q(upstream_checked_at__lt=F("expires_at"))
    return [
        models.Index(
            F("upstream_checked_at").asc(nulls_first=True),
            "id",
            condition=mirrored & Q(status="closed"),
            name="markets_closed_queue",
        ),
        models.Index("expires_at", "id", condition=mirrored & Q(status="open") & unseen, name="markets_ended_unasked"),
        models.Index(
            "upstream_checked_at",
            "id",
            condition=mirrored & Q(status="open", upstream_checked_at__gte=F("expires_at")),
            name="markets_ended_asked",
        ),
        models.Index("upstream_checked_at", "id", condition=mirrored & Q(status="resolved"), name="markets_reviewed"),
    ]
