from markets.models.evidence import MarketResolution
from markets.models.lists import MarketEdition, MarketRanking, MarketWatch
from markets.models.market import PUNCTUATION, Market, MarketTally, StagedMarket

__all__ = [
    "PUNCTUATION",
    "Market",
    "MarketEdition",
    "MarketRanking",
    "MarketResolution",
    "MarketTally",
    "MarketWatch",
    "StagedMarket",
]
