"""Errors of betting that clients branch on: each has a stable `code`."""

from core.api.errors import DomainError
from markets.errors import MarketNotFound

__all__ = [
    "AmountExceedsStake",
    "BetNotFound",
    "BetNotSellable",
    "InvalidSubsidy",
    "MarketExpired",
    "MarketNotAccepting",
    "MarketNotFound",
    "MarketNotOpen",
    "MarketNotOver",
    "MarketsUnsettled",
    "OddsMoved",
    "PositionChanged",
    "SlippageTooHigh",
]


class MarketNotOpen(DomainError):
    code = "market_not_open"
    message = "This market is closed."


class MarketExpired(DomainError):
    code = "market_expired"
    message = "This market is past its end."


class MarketNotAccepting(DomainError):
    code = "market_not_accepting"
    message = "This market takes no orders at the moment."


class OddsMoved(DomainError):
    """The price is outside the bounds of the order."""

    code = "odds_moved"
    message = "The odds have moved beyond what you asked for."


class SlippageTooHigh(DomainError):
    """The bet would move the price of its market further than MAX_SLIPPAGE, or beyond the highest odds."""

    code = "slippage_too_high"
    message = "This bet would move the odds too far. Bet less, or say up to which odds you would go."


class InvalidSubsidy(DomainError):
    code = "invalid_subsidy"
    message = "A market can't be subsidized with that."


class BetNotFound(DomainError):
    """There is no such bet, or it is another user's."""

    code = "bet_not_found"
    status = 404
    message = "Bet not found"


class BetNotSellable(DomainError):
    code = "bet_not_sellable"
    message = "This bet can't be sold: it is settled, or sold already."


class AmountExceedsStake(DomainError):
    code = "amount_exceeds_stake"
    message = "You have less than that at stake."


class PositionChanged(DomainError):
    """The bet was sold or settled after the sale was priced."""

    code = "position_changed"
    status = 409
    message = "This bet has changed meanwhile. Look at it again."


class MarketNotOver(DomainError):
    code = "market_not_over"
    message = "This market isn't resolved: there is nothing to pay yet."


class MarketsUnsettled(DomainError):
    """The settlement of at least one market failed as a whole; all others were settled."""

    code = "markets_unsettled"
    status = 500
    message = "Some markets couldn't be settled."
