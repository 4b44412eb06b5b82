from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from rest_framework.exceptions import NotFound, PermissionDenied, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts.authentication import PublicJWTAuthentication
from core.api.openapi import operation
from core.api.requests import PerClientThrottle, current_user_id, validate
from core.api.responses import PublicReadsMixin, clear_cache, json_response, next_page
from markets import events, filters, prices, rules, selectors, serializers, tasks
from markets.errors import IngestionFailed, IngestionRunning, NoPolymarketId, PolymarketUnavailable, PriceUnavailable
from markets.history.backfill import backfill_history, is_due
from markets.history.selectors import History, get_history
from markets.listings import Query, list_markets
from markets.models import Market
from markets.polymarket.books import mirrored_price
from markets.polymarket.client import job_client, request_client
from markets.skips import skip_market


class IngestThrottle(PerClientThrottle):
    """Limits requests to ingest."""

    scope = "ingest"


class UpstreamThrottle(PerClientThrottle):
    """Limits requests that need live odds which aren't cached. What is served from our own data isn't throttled."""

    scope = "upstream"
    counted = f"{PerClientThrottle.counted}, of requests for which Polymarket has to be asked"


def check_upstream_throttle(request: Request, view: APIView) -> None:
    """Count a request to the upstream, before it is sent. Raises Throttled."""
    throttle = UpstreamThrottle()
    if not throttle.allow_request(request, view):
        raise Throttled(wait=throttle.wait())


# What the two operations that return a history are described by.
OF_HISTORIES: dict[str, Any] = {
    "parameters": [filters.HistoryQuery],
    "responses": serializers.MarketHistoryResponse,
    "errors": [NotFound],
    "throttles": [UpstreamThrottle],
    "tags": ["markets"],
}


@lru_cache(maxsize=1_000)
def list_query(query_string: str) -> Query:
    """Return the validated parameters, kept for the few queries that come again and again."""
    # WSGI hands bytes over as Latin-1 letters.
    return filters.validate_market_list(QueryDict(query_string.encode("latin-1")))


def market_or_404(market: Any) -> Any:
    """Return the market of a path. Raises NotFound where there is none, as every path of nothing does."""
    if market is None:
        raise NotFound("Market not found")
    return market


class EventViewSet(PublicReadsMixin, ViewSet):
    """Events, which group markets. Public."""

    permission_classes = (AllowAny,)
    cached_actions: ClassVar[frozenset[str]] = frozenset({"list", "retrieve"})

    @operation(
        operation_id="events_list",
        summary="Events that have open markets, page by page",
        parameters=filters.EVENT_LIST_PARAMETERS,
        responses=serializers.EventListResponse,
        tags=["markets"],
    )
    def list(self, request: Request) -> HttpResponse:
        found, cursor = events.list_events(filters.validate_event_list(request.query_params))
        return json_response(count=len(found), **next_page(cursor), data=found)

    @operation(
        operation_id="events_retrieve",
        summary="An event with all its markets, by our id or by Polymarket's",
        responses=serializers.EventDetailResponse,
        errors=[NotFound],
        tags=["markets"],
    )
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        event = events.get_event(pk)
        if event is None:
            raise NotFound("Event not found")
        return json_response(data=event)


class MarketViewSet(PublicReadsMixin, ViewSet):
    """Markets, as Polymarket lists them and as the house makes them. Public."""

    authentication_classes = (PublicJWTAuthentication,)
    permission_classes = (AllowAny,)
    cached_actions: ClassVar[frozenset[str]] = frozenset(
        {"list", "retrieve", "categories", "in_category", "history", "price_history"}
    )
    private_actions: ClassVar[frozenset[str]] = frozenset({"random"})

    @operation(
        operation_id="markets_list",
        summary="Markets, page by page",
        parameters=filters.MARKET_LIST_PARAMETERS,
        responses=serializers.MarketListResponse,
        tags=["markets"],
    )
    def list(self, request: Request) -> HttpResponse:
        page = list_markets(list_query(request.META["QUERY_STRING"]), now=timezone.now())
        markets = page.markets
        return json_response(count=len(markets), total=page.total, **next_page(page.next_cursor), data=markets)

    @operation(
        operation_id="markets_retrieve",
        summary="A market, by our id or by Polymarket's condition id",
        responses=serializers.MarketDetailResponse,
        errors=[NotFound],
        tags=["markets"],
    )
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return json_response(data=market_or_404(selectors.get_market(pk)))

    @operation(
        operation_id="markets_random",
        summary="A fair sample of the markets that can be bet on",
        parameters=[filters.RandomQuery],
        responses=serializers.MarketSampleResponse,
        tags=["markets"],
    )
    def random(self, request: Request) -> HttpResponse:
        query = validate(filters.RandomQuery, request.query_params)
        sample = selectors.Sample(
            count=query["count"],
            category=query.get("category"),
            excluded=query.get("exclude", frozenset()),
            now=timezone.now(),
            user_id=request.user.pk,
        )
        markets = selectors.random_markets(sample)
        return json_response(count=len(markets), data=markets)

    @operation(
        operation_id="markets_categories",
        summary="Categories of open markets, most markets first",
        responses=serializers.CategoriesResponse,
        tags=["markets"],
    )
    def categories(self, request: Request) -> HttpResponse:
        counts = selectors.category_counts()
        return json_response(data=list(counts), counts=counts)

    @operation(
        operation_id="markets_in_category",
        summary="Open markets of a category",
        parameters=[filters.CATEGORY, filters.CategoryLimit],
        responses=serializers.CategoryMarketsResponse,
        tags=["markets"],
    )
    def in_category(self, request: Request, category: str) -> HttpResponse:
        page_query = validate(filters.CategoryLimit, request.query_params)
        query = validate(filters.CategoryQuery, {"category": category}) | page_query
        page = list_markets(Query(**query), now=timezone.now())
        return json_response(count=len(page.markets), category=query["category"], data=page.markets)

    @operation(
        operation_id="markets_live",
        summary="Odds of this moment, from the order book",
        responses=serializers.MarketLiveResponse,
        errors=[NotFound, NoPolymarketId, PriceUnavailable],
        throttles=[UpstreamThrottle],
        tags=["markets"],
    )
    def live(self, request: Request, pk: str) -> HttpResponse:
        market = market_or_404(selectors.find_market(pk))
        if not market.polymarket_id:
            raise NoPolymarketId
        return json_response(marketId=market.id, data=self.live_data(request, market))

    @operation(
        operation_id="markets_full",
        summary="A market with its live odds, where they can be had",
        responses=serializers.MarketFullResponse,
        errors=[NotFound],
        tags=["markets"],
    )
    def full(self, request: Request, pk: str) -> HttpResponse:
        market = market_or_404(selectors.find_market(pk))
        try:
            live = self.live_data(request, market) if market.polymarket_id else None
        except (PriceUnavailable, Throttled):
            live = None
        return json_response(data={**market_or_404(selectors.get_market(str(market.pk))), "live": live})

    def live_data(self, request: Request, market: Market) -> dict[str, Any]:
        now = timezone.now()
        odds = prices.cached_odds(market, now=now, max_age=rules.LIVE_SECONDS)
        if odds is None:
            check_upstream_throttle(request, self)
            odds = prices.live_odds(market, client=request_client(), now=now)
        prices.watch_while_looked_at(market.id, now=now)
        return serializers.LiveSerializer.from_object(
            market,
            this=odds.this,
            that=odds.that,
            this_bid=odds.bid,
            this_ask=odds.ask,
            that_bid=mirrored_price(odds.ask),
            that_ask=mirrored_price(odds.bid),
            spread=odds.spread,
            illiquid=odds.illiquid,
            as_of=odds.as_of,
            stale=odds.stale,
            is_live=not odds.stale,
        )

    @operation(
        operation_id="markets_history",
        summary="What a market's odds were",
        description="The first request for a mirrored market may take up to three seconds: what was before is "
        "requested from Polymarket. While that is away the response has what is known.",
        **OF_HISTORIES,
    )
    def history(self, request: Request, pk: str) -> HttpResponse:
        return self.history_response(request, pk)

    @operation(
        operation_id="markets_price_history",
        summary="The same as `/history`, under an older name",
        deprecated=True,
        **OF_HISTORIES,
    )
    def price_history(self, request: Request, pk: str) -> HttpResponse:
        return self.history_response(request, pk)

    def history_response(self, request: Request, pk: str) -> HttpResponse:
        interval = rules.Interval(validate(filters.HistoryQuery, request.query_params)["interval"])
        market = market_or_404(selectors.find_market(pk))
        found = self.complete_history(request, market, interval, now=timezone.now())
        return json_response(
            marketId=market.pk, interval=interval, resolutionSeconds=found.resolution, data=found.points
        )

    def complete_history(self, request: Request, market: Market, interval: rules.Interval, *, now: datetime) -> History:
        """Return the market's history; what is missing is requested from Polymarket before, where that is due."""
        found = get_history(market, interval=interval, now=now)
        if market.status == Market.Status.OPEN and market.polymarket_id:
            prices.watch_while_looked_at(market.pk, now=now)
        if is_due(market, has_gaps=found.has_gaps, now=now):
            with suppress(Throttled):
                check_upstream_throttle(request, self)
                backfill_history(market, client=request_client(), now=now)
                found = get_history(market, interval=interval, now=now)
        return found

    @operation(
        operation_id="markets_skip",
        summary="Not this market: for a day it isn't drawn for the user again",
        request=None,
        responses=serializers.MarketSkipResponse,
        errors=[NotFound],
        tags=["markets"],
    )
    def skip(self, request: Request, pk: str) -> HttpResponse:
        market = market_or_404(selectors.find_market(pk))
        until = skip_market(market_id=market.pk, user_id=current_user_id(request), now=timezone.now())
        return json_response(marketId=market.pk, skippedUntil=until)

    @operation(
        operation_id="markets_ingest",
        summary="Copy Polymarket's open markets now",
        request=serializers.IngestRequest,
        responses=serializers.IngestResponse,
        errors=[PermissionDenied, PolymarketUnavailable, IngestionRunning, IngestionFailed],
        tags=["markets"],
    )
    def ingest(self, request: Request) -> HttpResponse:
        highest = rules.INGEST_LIMIT_MAX if request.user.is_staff else rules.INGEST_LIMIT
        given = validate(serializers.IngestRequest, request.data, {"highest": highest})
        if given["force"] and not request.user.is_staff:
            raise PermissionDenied("Only staff may force an ingestion.")
        interval = timedelta(seconds=0 if given["force"] else rules.INGEST_MIN_INTERVAL)
        result = tasks.run_ingestion_unless_recent(
            client=job_client(),
            limit=given.get("limit", rules.INGEST_LIMIT),
            category=given.get("category"),
            recheck_limit=rules.RECHECK_LIMIT,
            min_interval=interval,
            now=timezone.now(),
        )
        clear_cache()
        # What was skipped is for staff, on the run's page.
        return json_response(data={name: value for name, value in result.items() if name != "skippedObjects"})
