"""Admin tables of markets and of resolution records, with their search and filters."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.models import Permission
from core.api.requests import parse_uuid
from markets.models import Market, MarketResolution, MarketTally
from markets.resolution.records import needing_staff
from markets.selectors import with_words
from staff.core.actions import ActionTable
from staff.core.formatting import (
    DASH,
    format_credits,
    format_minute,
    format_percent,
    format_time,
    link_to,
    status_label,
)
from staff.core.pages import Detail
from staff.core.tables import DetailTable, Recent, staff_member
from staff.markets.actions import MARKET_ACTIONS, creating
from staff.markets.page import decided_by, is_suspended, market_page, resolution_record_page

WIDE = ("search", "upstream_facts", "description", "tags")


def matching(term: str) -> Q:
    """Return markets by our id or Polymarket's, slug, page address, or words of the title or the event's."""
    named = named_market(term)
    slug = slug_of(term)
    return named if parse_uuid(slug) or slug.startswith("0x") else named | with_words(slug)


def named_market(term: str) -> Q:
    """Return the markets of that id, of ours or Polymarket's, or of that slug or page address."""
    slug = slug_of(term)
    if market_id := parse_uuid(slug):
        return Q(pk=market_id)
    return Q(polymarket_id=slug) if slug.startswith("0x") else Q(slug=slug)


def slug_of(term: str) -> str:
    """Return the end of a page's address; another term as it is."""
    return path_of(term)[-1]


def path_of(term: str) -> list[str]:
    """Return the names in a page's address, as of https://polymarket.com/event/<an event>/<a market>.

    Another term is the only one.
    """
    term = term.strip()
    if not term.startswith(("http://", "https://")):
        return [term]
    return re.split("[?#]", term)[0].rstrip("/").split("/")[2:] or [term]


class ByField(SimpleListFilter):
    """Filters by a column that an index begins with."""

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
        """Return the values that occur, from the tallies."""
        there = MarketTally.objects.filter(markets__gt=0).order_by("category").distinct()
        return [(category, category.capitalize()) for category in there.values_list("category", flat=True)]


class NeedsFilter(SimpleListFilter):
    title, parameter_name = "what to look at", "needs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("staff", "Needs staff"), ("bets", "Has open bets"), ("suspended", "Suspended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Market]) -> QuerySet[Market]:
        if self.value() == "staff":
            return queryset.filter(pk__in=needing_staff(now=timezone.now()))
        if self.value() == "suspended":
            return queryset.filter(Q(status="open"), ~Q(suspended_reason=""))
        return queryset.filter(exposure__isnull=False) if self.value() == "bets" else queryset


@admin.register(Market)
class MarketTable(ActionTable):
    """Markets, newest first. What the house owes is as last counted for the dashboard; a market's page counts anew."""

    view_permission = Permission.VIEW_MARKETS
    staff_actions = MARKET_ACTIONS
    bulk_actions: ClassVar[Mapping[str, str]] = {
        "close": "Close the markets",
        "void": "Void the markets",
        "settle": "Settle them, and retry what failed",
    }
    list_display = ("market", "state", "odds", "traded", "bets", "owed_if_this", "owed_if_that", "ends")
    list_filter = (StatusFilter, TypeFilter, CategoryFilter, NeedsFilter)
    list_select_related = ("exposure",)
    search_fields = ("title",)
    search_help_text = "Words, an id, a slug or an address"
    ordering = ("-id",)
    actions_list = ("create",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Market]:
        return super().get_queryset(request).defer(*WIDE)  # type: ignore[no-any-return]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Market], search_term: str
    ) -> tuple[QuerySet[Market], bool]:
        return (queryset.filter(matching(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="Market")
    def market(self, market: Market) -> str:
        return title_of(market)

    @admin.display(description="Status")
    def state(self, market: Market) -> str:
        return status_label("suspended" if is_suspended(market) else market.status)

    @admin.display(description="Odds")
    def odds(self, market: Market) -> str:
        return f"{market.this_option} {format_percent(market.this_odds)}"

    @admin.display(description="Volume, $")
    def traded(self, market: Market) -> str:
        return DASH if market.market_type == Market.Type.CREDITS else format_credits(market.volume)

    @admin.display(description="Open bets")
    def bets(self, market: Market) -> str:
        return f"{market.exposure.bets:,}" if hasattr(market, "exposure") else DASH

    @admin.display(description="Owed if THIS")
    def owed_if_this(self, market: Market) -> str:
        return format_credits(market.exposure.this_payout) if hasattr(market, "exposure") else DASH

    @admin.display(description="Owed if THAT")
    def owed_if_that(self, market: Market) -> str:
        return format_credits(market.exposure.that_payout) if hasattr(market, "exposure") else DASH

    @admin.display(description="Ends, UTC")
    def ends(self, market: Market) -> str:
        return format_minute(market.expires_at)

    def detail(self, request: HttpRequest, original: Market) -> Detail:
        return market_page(original, by=staff_member(request), now=timezone.now())

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Market | None:
        market_id = parse_uuid(object_id)
        return Market.objects.defer("search").filter(pk=market_id).first() if market_id else None

    def has_create_permission(self, request: HttpRequest) -> bool:
        return staff_member(request).may(Permission.MANAGE_HOUSE_MARKETS)

    @action(  # type: ignore[untyped-decorator]
        description="New house market", url_path="new", icon="add", permissions=["create"]
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        return creating(staff_member(request)).respond(request)


def title_of(market: Market) -> SafeString:
    kind = "House" if market.market_type == Market.Type.CREDITS else "Polymarket"
    return format_html('{}<p class="font-normal text-base-500">{}, {}</p>', market.title, kind, market.category)


class DecisionFilter(Recent):
    title, parameter_name = "decision", "decision"
    values = MarketResolution.Decision.values


class SourceFilter(Recent):
    title, parameter_name = "source", "source"
    values = MarketResolution.Source.values


class MarketRelatedTable(DetailTable):
    """A table of what belongs to markets, found by a market's id."""

    view_permission = Permission.VIEW_MARKETS
    list_display_links: ClassVar[Any] = None
    list_select_related: ClassVar[Any] = ("market",)
    search_fields = ("market",)
    search_help_text = "A market's id"
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        wide = [f"market__{name}" for name in WIDE]
        return super().get_queryset(request).select_related(*self.list_select_related).defer(*wide)  # type: ignore[no-any-return]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return rows_of_market(queryset, search_term), False

    @admin.display(description="Market")
    def market_link(self, row: Any) -> str:
        return link_to("markets_market_change", row.market.title, row.market_id)


def rows_of_market(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Return the rows of the market of that id, or of the markets that match."""
    if not term.strip():
        return queryset
    if market_id := parse_uuid(term.strip()):
        return queryset.filter(market_id=market_id)
    return queryset.filter(market_id__in=Market.objects.filter(matching(term)).order_by().values("pk")[:50])


@admin.register(MarketResolution)
class ResolutionRecordTable(MarketRelatedTable):
    """Resolution records, newest first. They never change."""

    list_display = ("at", "market_link", "decision_", "source", "who", "reason")
    list_filter = (DecisionFilter, SourceFilter)
    list_display_links = ("at",)
    list_select_related = ("market", "staff")

    def detail(self, request: HttpRequest, original: MarketResolution) -> Detail:
        return resolution_record_page(original)

    @admin.display(description="When, UTC")
    def at(self, row: MarketResolution) -> str:
        return format_time(row.seen_at)

    @admin.display(description="Decision")
    def decision_(self, row: MarketResolution) -> str:
        return status_label(row.decision)

    @admin.display(description="By")
    def who(self, row: MarketResolution) -> str:
        return decided_by(row)
