"""Filters of tables that grow for ever: they look at the newest rows alone, so that a rare value costs no more."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from staff.core.tables import MAX_ROWS


class Recent(SimpleListFilter):
    """By one of `values` of a field, among the newest MAX_ROWS; where the rows are narrowed already, among all of them.

    Newest is the greatest primary key.
    """

    parameter_name: str
    values: ClassVar[Sequence[str]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value.replace("_", " ").capitalize()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted not in self.values:
            return queryset
        chosen = queryset.filter(**{self.parameter_name: wanted})
        return chosen if request.GET.get("q") else among_newest(chosen)


def among_newest(queryset: QuerySet[Any], *, of: type[Model] | None = None) -> QuerySet[Any]:
    """Rows that are among the newest MAX_ROWS of their table: one walk of the index finds the oldest of these.

    `of`: a proxy's own model, where the proxy's manager leaves rows out.

    A statement of its own: knowing the key, PostgreSQL reads no more than what follows it.
    """
    keys = (of or queryset.model)._default_manager.order_by("-pk").values_list("pk", flat=True)  # noqa: SLF001 - Django's
    oldest = keys[MAX_ROWS - 1 : MAX_ROWS].first()
    return queryset if oldest is None else queryset.filter(pk__gte=oldest)
