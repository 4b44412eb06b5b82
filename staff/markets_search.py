"""How staff find markets: by an id, an address or words, and by what they choose. Each by an index."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin import SimpleListFilter
from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from markets.listings import prefixes
from markets.models import Market, MarketTally
from markets.resolution.records import needing_staff
from markets.selectors import as_uuid


def matching(term: str) -> Q:
    """Ours or Polymarket's id, the slug or the page's address, or words of the title or the event's."""
    term = term.strip()
    if term.startswith(("http://", "https://")):
        term = urlsplit(term).path.rstrip("/").rpartition("/")[2]
    if market_id := as_uuid(term):
        return Q(pk=market_id)
    if term.startswith("0x"):
        return Q(polymarket_id=term)
    words = prefixes(term)
    found = Q(search=SearchQuery(words, config="simple", search_type="raw")) if words else Q(pk__in=[])
    return found if " " in term else found | Q(slug=term)


class ByField(SimpleListFilter):
    """By a column that an index begins with."""

    parameter_name: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Market]) -> QuerySet[Market]:
        wanted = self.value()
        return queryset.filter(**{self.parameter_name: wanted}) if wanted else queryset


class StatusFilter(ByField):
    title, parameter_name = "status", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Market.Status.choices)


class TypeFilter(ByField):
    title, parameter_name = "type", "market_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("polymarket", "Polymarket"), ("credits", "House")]


class CategoryFilter(ByField):
    title, parameter_name = "category", "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Those that there are, from the tallies."""
        there = MarketTally.objects.filter(markets__gt=0).order_by("category").distinct()
        return [(category, category.capitalize()) for category in there.values_list("category", flat=True)]


class NeedsFilter(SimpleListFilter):
    title, parameter_name = "what to look at", "needs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("staff", "Needs staff"), ("bets", "Has open bets")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Market]) -> QuerySet[Market]:
        if self.value() == "staff":
            return queryset.filter(pk__in=needing_staff(now=timezone.now()))
        return queryset.filter(exposure__isnull=False) if self.value() == "bets" else queryset
