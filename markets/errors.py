"""Errors of the markets app: what the API refuses, and what can go wrong when Polymarket is requested."""

from typing import ClassVar

from core.api.errors import DomainError


class MarketNotFound(DomainError):
    """A request refers to a market that doesn't exist. Where the market is the path itself it is DRF's `not_found`."""

    code = "market_not_found"
    status = 404
    message = "There is no such market."


class MarketStatusConflict(DomainError):
    code = "market_status_conflict"
    status = 409
    message = "A market in this status can't be changed so."


class UnknownOutcome(DomainError):
    code = "unknown_outcome"
    message = "A market ends in this, that or invalid."


class InvalidHouseMarket(DomainError):
    code = "invalid_house_market"
    message = "This can't be a market."


class NotAHouseMarket(DomainError):
    code = "not_a_house_market"
    status = 409
    message = "This market is Polymarket's: it is copied as it stands."


class MarketAlreadyAsked(DomainError):
    code = "market_already_asked"
    status = 409
    message = "An open house market has this title already."


class MarketTermsFixed(DomainError):
    code = "market_terms_fixed"
    status = 409
    message = "Somebody has bet on it: its title, options and description stay. Void it, and make another."


class OddsFollowBets(DomainError):
    """Staff can't set the odds of a market that prices itself."""

    code = "odds_follow_bets"
    status = 409
    message = "The odds of this market follow from its bets. Add liquidity, or close it."


class PriceUnavailable(DomainError):
    code = "price_unavailable"
    status = 503
    message = "Polymarket can't be asked for this market's price at the moment. Try again in a few seconds."
    RETRY_SECONDS: ClassVar[float] = 2

    def __init__(self, message: str = "", *, retry_after: float | None = RETRY_SECONDS) -> None:
        super().__init__(message, retry_after=retry_after)


class MarketIlliquid(DomainError):
    """The order book is one-sided, thinner than PRICE_DEPTH, or its spread is wider than MAX_SPREAD."""

    code = "market_illiquid"
    message = "Too few orders stand in this market for a fair price at the moment."


class NoPolymarketId(DomainError):
    code = "no_polymarket_id"
    message = "Market has no Polymarket ID"


class PolymarketUnavailable(DomainError):
    code = "upstream_unavailable"
    status = 503
    message = "Polymarket can't be reached at the moment. Nothing has changed; try again."


class IngestionRunning(DomainError):
    code = "ingestion_running"
    status = 503
    message = "An ingestion is running already. Try again in a few seconds."


class IngestionFailed(DomainError):
    code = "ingestion_failed"
    status = 503
    message = "The last ingestion failed, and not because of Polymarket. Try again later."


class UpstreamError(Exception):
    """A request to Polymarket got no usable response; the text is for logs and holds nothing of the body."""

    code: ClassVar[str] = "upstream_error"


class UpstreamUnavailable(UpstreamError):
    """Network, time, 408, 429 or 5xx after all attempts, or an open circuit breaker.

    `retry_after`: seconds until another request is worth it, where known. `retriable`: false when none was sent.
    """

    code = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None, retriable: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.retriable = retriable


class UpstreamRejected(UpstreamError):
    """Any other 4xx: the upstream is alive, and would reject the same request again."""

    code = "upstream_rejected"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class UpstreamGarbled(UpstreamError):
    """HTML, broken JSON, a wrong shape, a redirect, a repeated cursor, too many pages, or too large a body."""

    code = "upstream_garbled"
