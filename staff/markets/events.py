"""The admin's pages of events: the table, and each one's page with its markets and what their odds add up to."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Permission
from core.api.requests import parse_uuid
from markets.events import EventOdds, events_far_from_one, odds_of_events, sorted_markets
from markets.models import Market, MarketEvent
from markets.selectors import with_words
from staff.core.formatting import DASH, format_minute, format_percent, format_time, link_to, status_label
from staff.core.pages import Detail, Facts, Rows
from staff.core.tables import MAX_ROWS, DetailTable
from staff.markets.page import is_suspended, result_of
from staff.markets.table import CategoryFilter, path_of

SHOWN = 200
FOUND_BY_MARKET = 1_000  # markets of which a search by words takes the events
NONE = EventOdds(markets=0, open=0, total=Decimal(0))


def matching(term: str) -> Q:
    """Return events by our id or Polymarket's, slug, page address, or words of the title or of a market's."""
    term = next((name for name in path_of(term)[1:] if name != "event"), path_of(term)[0])
    if event_id := parse_uuid(term):
        return Q(pk=event_id)
    markets = Market.objects.filter(with_words(term), event__isnull=False)
    found = list(markets.order_by().values_list("event_id", flat=True)[:FOUND_BY_MARKET])
    return Q(pk__in=found) | (Q() if " " in term else Q(slug=term) | Q(polymarket_id=term))


class OddsFilter(SimpleListFilter):
    title, parameter_name = "what to look at", "odds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("far", "One wins, but the odds don't add up"), ("one", "One outcome wins")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MarketEvent]) -> QuerySet[MarketEvent]:
        if self.value() == "far":
            return queryset.filter(pk__in=events_far_from_one(among=MAX_ROWS))
        return queryset.filter(neg_risk=True) if self.value() == "one" else queryset


@admin.register(MarketEvent)
class EventTable(DetailTable):
    """Events, newest first."""

    view_permission = Permission.VIEW_MARKETS
    list_display = ("event", "markets_", "open_", "sum_of_this", "ends")
    list_filter = (CategoryFilter, OddsFilter)
    search_fields = ("title",)
    search_help_text = "Words, an id, a slug or an address"
    ordering = ("-id",)

    def describe(self, rows: Sequence[Any]) -> None:
        """Add what the odds of each event add up to."""
        odds = odds_of_events([event.pk for event in rows])
        for event in rows:
            event.odds = odds.get(event.pk, NONE)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[MarketEvent], search_term: str
    ) -> tuple[QuerySet[MarketEvent], bool]:
        return (queryset.filter(matching(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="Event")
    def event(self, event: MarketEvent) -> SafeString:
        kind = "one outcome wins" if event.neg_risk else "independent outcomes"
        return format_html('{}<p class="font-normal text-base-500">{}, {}</p>', event.title, event.category, kind)

    @admin.display(description="Markets")
    def markets_(self, event: Any) -> str:
        return f"{event.odds.markets:,}"

    @admin.display(description="Open")
    def open_(self, event: Any) -> str:
        return f"{event.odds.open:,}"

    @admin.display(description="Odds of THIS together")
    def sum_of_this(self, event: Any) -> str:
        return sum_label(event, event.odds)

    @admin.display(description="Ends, UTC")
    def ends(self, event: MarketEvent) -> str:
        return format_minute(event.expires_at)

    def detail(self, request: HttpRequest, original: MarketEvent) -> Detail:
        return event_page(original)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> MarketEvent | None:
        event_id = parse_uuid(object_id)
        return MarketEvent.objects.filter(pk=event_id).first() if event_id else None


def sum_label(event: MarketEvent, odds: EventOdds) -> str:
    """Format what the odds of THIS add up to; a dash where that means nothing."""
    if not event.neg_risk or not odds.markets:
        return DASH
    total = format_percent(odds.total)
    return format_html("{} {}", total, status_label("far from 100%")) if odds.is_far_from_one else total


def event_page(event: MarketEvent) -> Detail:
    """Return the page of an event. Two statements, whatever there is to show."""
    odds = odds_of_events([event.pk]).get(event.pk, NONE)
    return Detail(
        original=event,
        title=event.title,
        notice=notice(event, odds),
        blocks=[
            Facts(
                title="Event",
                facts={
                    "Outcomes": "One of them wins" if event.neg_risk else "Independent of each other",
                    "Odds of THIS together": sum_label(event, odds),
                    "Markets": f"{odds.markets:,}, {odds.open:,} of them open",
                    "Category": event.category.capitalize(),
                    "Tags": ", ".join(event.tags) or DASH,
                    "Ends, UTC": format_time(event.expires_at, otherwise="Not said"),
                    "First read, UTC": format_time(event.created_at),
                    "Changed, UTC": format_time(event.updated_at),
                    "Id": event.pk,
                    "Polymarket id": event.polymarket_id,
                    "Slug": event.slug or DASH,
                    "Picture": event.image_url or DASH,
                },
            ),
            markets_of(event),
        ],
    )


def notice(event: MarketEvent, odds: EventOdds) -> str:
    if not event.neg_risk or not odds.is_far_from_one:
        return ""
    total = format_percent(odds.total)
    return (
        f"One of its outcomes wins, but the odds of THIS add up to {total}. Below 100%, some of its markets may be "
        "missing here; above, some odds are wrong or old."
    )


def markets_of(event: MarketEvent) -> Rows:
    return Rows(
        title="Markets, most likely first",
        columns=("Outcome", "Market", "Odds of THIS", "Status", "Result"),
        rows=[
            (
                f"{market.group_title or DASH}{', placeholder' if market.is_placeholder else ''}",
                link_to("markets_market_change", market.title, market.pk),
                format_percent(market.this_odds),
                status_label("suspended" if is_suspended(market) else market.status),
                result_of(market),
            )
            for market in sorted_markets(event.pk, limit=SHOWN)
        ],
        none="It has none.",
    )
