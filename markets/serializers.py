"""Requests and responses of markets. MarketSerializer is the one declaration of a market's fields."""

from typing import Any, ClassVar

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from core.api.serializers import (
    CreditsField,
    LowerCaseField,
    OddsField,
    ResourceSerializer,
    TrueOrFalseField,
    next_page_schema,
    response_schema,
)
from markets import rules
from markets.models import Market
from markets.polymarket.parsing import CATEGORY_MAX
from markets.rules import Interval

# What a market shows of its prices, in SQL about `market`; `price_rules()` are its parameters. Those of a house market
# are not stored but follow from its odds, as in `fills.house_prices`: another HOUSE_SPREAD holds in lists at once. A
# market maker has no spread at the margin.
BID, ASK = (
    f"""CASE WHEN market.is_lmsr THEN market.this_odds
        WHEN market.market_type = 'credits' THEN ({around})::numeric(5, 4) ELSE market.{side} END"""
    for side, around in (
        ("bid", "floor(greatest(market.this_odds - %(house_spread)s / 2, 0) * 10000) / 10000"),
        ("ask", "ceil(least(market.this_odds + %(house_spread)s / 2, 1) * 10000) / 10000"),
    )
)
SPREAD = f"(({ASK}) - ({BID}))"
ILLIQUID = "(market.market_type = 'polymarket' AND (market.ask - market.bid <= %(max_spread)s) IS NOT TRUE)"

# Of this moment: what was rendered before is shown as long as it holds (`selectors.VERSION`).
ENDING_SOON = f"""coalesce(market.status = 'open' AND market.expires_at > now()
    AND market.expires_at <= now() + interval '{rules.ENDING_SOON.total_seconds()} seconds', false)"""


# What a market is called in its event: the candidate, date or threshold, where it has such a name.
OUTCOME_LABEL = "CASE market.group_title WHEN '' THEN market.title ELSE market.group_title END"
# Of columns of the market's own row, so that its version tells when any of it changed.
EVENT = f"""CASE WHEN market.event_id IS NOT NULL THEN json_build_object(
    'id', market.event_id, 'slug', market.event_slug, 'title', market.event_title,
    'outcomeLabel', {OUTCOME_LABEL}, 'isPlaceholder', market.is_placeholder
) END"""


def price_rules() -> dict[str, Any]:
    return {"house_spread": rules.HOUSE_SPREAD, "max_spread": rules.MAX_SPREAD}


class IngestRequest(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, max_value=rules.INGEST_LIMIT_MAX, required=False)
    category = LowerCaseField(max_length=CATEGORY_MAX, required=False, allow_null=True)
    force = TrueOrFalseField(default=False, help_text="Staff only: never the last run's result.")

    def validate_limit(self, limit: int) -> int:
        if limit > self.context["highest"]:
            text = serializers.IntegerField.default_error_messages["max_value"]
            raise serializers.ValidationError(text.format(max_value=self.context["highest"]), code="max_value")
        return limit


class UsdField(CreditsField):
    """US dollars on Polymarket, never below zero."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, **kwargs})


class PriceField(OddsField):
    """A bid, an ask or their distance, null where it isn't known."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})


class IlliquidField(serializers.BooleanField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            help_text=f"Bid or ask is unknown, or the spread wider than {rules.MAX_SPREAD}: the odds are those of the "
            "last trade, or the catalogue's, and no bet is taken.",
            **kwargs,
        )


class PlaceholderField(serializers.BooleanField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            help_text="The outcome has no name yet, or stands for all that have none (“Other”): what it means changes "
            "when others get their names.",
            **kwargs,
        )


class MarketEventSerializer(serializers.Serializer[dict[str, Any]]):
    """The event that a market belongs to."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    title = serializers.CharField()
    outcomeLabel = serializers.CharField(help_text="What the market is called in its event, such as a candidate.")
    isPlaceholder = PlaceholderField()


class MarketSerializer(ResourceSerializer):
    """A market. To add a mirrored field: the model (and its migration), the parser, and a line here."""

    id = serializers.UUIDField()
    polymarketId = serializers.CharField(source="polymarket_id", allow_null=True, help_text="Null for house markets.")
    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    thisOption = serializers.CharField(source="this_option")
    thatOption = serializers.CharField(source="that_option")
    thisOdds = OddsField(source="this_odds")
    thatOdds = OddsField(source="that_odds")
    bid = PriceField(help_text="Of THIS, as `ask` is. THAT's bid is 1 - `ask`, its ask 1 - `bid`.")
    ask = PriceField()
    spread = PriceField()
    illiquid = IlliquidField()
    pricing = serializers.ChoiceField(
        choices=["mirror", "fixed", "lmsr"],
        help_text="From Polymarket's order book, odds that staff set, or a market maker whose price each bet moves.",
    )
    acceptingOrders = serializers.BooleanField(source="accepting_orders")
    liquidity = UsdField()
    volume = UsdField()
    volume24hr = UsdField(source="volume_24hr")
    category = serializers.CharField()
    author = serializers.CharField(allow_null=True)
    imageUrl = serializers.URLField(source="image_url")
    event = MarketEventSerializer(allow_null=True, help_text="What groups it with others; null for house markets.")
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)
    marketType = serializers.ChoiceField(source="market_type", choices=Market.Type.choices)
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    isEndingSoon = serializers.BooleanField(
        source="is_ending_soon", help_text=f"Open, and `expiresAt` is within {rules.ENDING_SOON // rules.HOUR} hours."
    )
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    oddsUpdatedAt = serializers.DateTimeField(source="odds_updated_at")
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        alias = "market"
        expressions: ClassVar[dict[str, str]] = {
            "bid": BID,
            "ask": ASK,
            "spread": SPREAD,
            "event": EVENT,
            "illiquid": ILLIQUID,
            "is_ending_soon": ENDING_SOON,
            "pricing": "CASE WHEN market.is_lmsr THEN 'lmsr' WHEN market.market_type = 'credits' THEN 'fixed' "
            "ELSE 'mirror' END",
        }


class LiveSerializer(ResourceSerializer):
    """Odds, bids and asks are of `asOf`, liquidity and volume are the catalogue's."""

    polymarketId = serializers.CharField(source="polymarket_id")
    thisOdds = OddsField(source="this")
    thatOdds = OddsField(source="that")
    thisBid = PriceField(source="this_bid")
    thisAsk = PriceField(source="this_ask")
    thatBid = PriceField(source="that_bid")
    thatAsk = PriceField(source="that_ask")
    spread = PriceField()
    illiquid = IlliquidField()
    liquidity = UsdField()
    volume = UsdField()
    volume24hr = UsdField(source="volume_24hr")
    acceptingOrders = serializers.BooleanField(source="accepting_orders")
    asOf = serializers.DateTimeField(source="as_of")
    stale = serializers.BooleanField(help_text="The order book couldn't be requested again since `asOf`.")
    isLive = serializers.BooleanField(source="is_live", help_text="Not `stale`.")

    class Meta:
        aliases: ClassVar[dict[str, str]] = {"lastUpdated": "asOf"}


class FullMarketSerializer(MarketSerializer):
    live = LiveSerializer(allow_null=True, help_text="Null when Polymarket can't be reached.")


class MarketOddsSerializer(ResourceSerializer):
    """A market's prices, as the stream sends them when they change."""

    marketId = serializers.UUIDField(source="id")
    thisOdds = OddsField(source="this_odds")
    thatOdds = OddsField(source="that_odds")
    bid = PriceField()
    ask = PriceField()
    asOf = serializers.DateTimeField(source="odds_updated_at")

    class Meta:
        alias = "market"
        expressions: ClassVar[dict[str, str]] = {"bid": BID, "ask": ASK}


class MarketStatusSerializer(ResourceSerializer):
    """Whether a market can end or has ended, as the stream sends it when it changes."""

    marketId = serializers.UUIDField(source="id")
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)

    class Meta:
        alias = "market"


class PricePointSerializer(serializers.Serializer[dict[str, Any]]):
    """The odds as of a time; the last are those known last: of now, or the result of a market that is over."""

    t = serializers.DateTimeField()
    thisOdds = OddsField()
    bid = PriceField(help_text="Of THIS, as `ask` is; null where only the odds are known.")
    ask = PriceField()


class EventMarketSerializer(ResourceSerializer):
    """A market as its event shows it; all of it is in `GET /markets?eventId=`."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    outcomeLabel = serializers.CharField(source="outcome_label", help_text="The title, where it has no shorter name.")
    isPlaceholder = PlaceholderField(source="is_placeholder")
    thisOdds = OddsField(source="this_odds")
    thatOdds = OddsField(source="that_odds")
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)

    class Meta:
        alias = "market"
        expressions: ClassVar[dict[str, str]] = {"outcome_label": OUTCOME_LABEL}


class EventSummarySerializer(ResourceSerializer):
    """An event without its markets. Statements that select it have their sums as `figures`."""

    id = serializers.UUIDField()
    polymarketId = serializers.CharField(source="polymarket_id")
    slug = serializers.CharField()
    title = serializers.CharField()
    imageUrl = serializers.CharField(source="image_url")
    category = serializers.CharField()
    negRisk = serializers.BooleanField(source="neg_risk", help_text="At most one of its markets ends with THIS.")
    volume24hr = UsdField(source="volume_24hr", help_text="Of its open markets.")
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    marketCount = serializers.IntegerField(source="market_count")

    class Meta:
        alias = "event"
        expressions: ClassVar[dict[str, str]] = {
            "volume_24hr": "figures.volume_24hr",
            "market_count": "figures.markets",
        }


class EventSerializer(serializers.Serializer[dict[str, Any]]):
    """A question of many outcomes, or of one: what groups markets, as Polymarket groups them."""

    def get_fields(self) -> dict[str, Any]:
        return {**EventSummarySerializer().get_fields(), "markets": EventMarketSerializer(many=True)}


count = serializers.IntegerField
MarketListResponse = response_schema(
    "MarketListResponse",
    count=count(),
    total=count(help_text="How many match in all; of a search, or by price or end, up to 10,000."),
    **next_page_schema(),
    data=MarketSerializer(many=True),
)
MarketSampleResponse = response_schema("MarketSampleResponse", count=count(), data=MarketSerializer(many=True))
CategoryMarketsResponse = response_schema(
    "CategoryMarketsResponse", count=count(), category=serializers.CharField(), data=MarketSerializer(many=True)
)
CategoriesResponse = response_schema(
    "CategoriesResponse",
    data=serializers.ListField(child=serializers.CharField()),
    counts=serializers.DictField(child=serializers.IntegerField()),
)
MarketSkipResponse = response_schema(
    "MarketSkipResponse",
    marketId=serializers.UUIDField(),
    skippedUntil=serializers.DateTimeField(help_text="Until then the market isn't drawn for the user."),
)
MarketDetailResponse = response_schema("MarketDetailResponse", data=MarketSerializer())
EventListResponse = response_schema(
    "EventListResponse",
    count=count(),
    **next_page_schema(),
    data=EventSerializer(
        many=True, help_text=f"Each with its {rules.EVENT_MARKETS_LISTED} most likely markets, unnamed outcomes last."
    ),
)
EventDetailResponse = response_schema(
    "EventDetailResponse",
    data=EventSerializer(help_text=f"With all its markets, up to {rules.EVENT_MARKETS_MAX:,}, most likely first."),
)
MarketHistoryResponse = response_schema(
    "MarketHistoryResponse",
    marketId=serializers.UUIDField(),
    interval=serializers.ChoiceField(choices=Interval.choices),
    resolutionSeconds=serializers.IntegerField(help_text="From one point to the next, where the odds are known."),
    data=PricePointSerializer(many=True, help_text=f"Oldest first, at most {rules.HISTORY_POINTS_MAX}."),
)
MarketLiveResponse = response_schema("MarketLiveResponse", marketId=serializers.UUIDField(), data=LiveSerializer())
MarketFullResponse = response_schema("MarketFullResponse", data=FullMarketSerializer())


IngestResponse = response_schema(
    "IngestResponse",
    data=inline_serializer(
        "IngestResult",
        {
            "total": count(help_text="Market objects read."),
            "created": count(),
            "updated": count(),
            "skipped": count(),
            "errors": count(help_text="Broken objects."),
            "unchanged": count(),
            "reasons": serializers.DictField(child=count(), help_text="What was left out, by reason."),
            "coalesced": serializers.BooleanField(help_text="A recent run's result; nothing was requested upstream."),
        },
    ),
)
