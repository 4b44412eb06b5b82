"""What the feed counts; what it knows at the moment is in its row (`MarketFeed`), for `/metrics` of any process."""

from prometheus_client import Counter

from core.metrics import COUNTS

EVENTS = Counter("thisthat_feed_events", "Events that the price feed took, by type.", ["type"], registry=COUNTS)
BAD_EVENTS = Counter(
    "thisthat_feed_bad_events", "Frames and events that the price feed couldn't read.", registry=COUNTS
)
RECONNECTS = Counter(
    "thisthat_feed_reconnects",
    "Connections of the price feed that ended, by what ended them.",
    ["reason"],
    registry=COUNTS,
)
GAPS = Counter(
    "thisthat_feed_gaps",
    "Local books that didn't fit and were requested anew, by how it showed.",
    ["reason"],
    registry=COUNTS,
)
ROWS = Counter(
    "thisthat_feed_rows",
    "Markets that the price feed wrote: other prices, or the same of a later time.",
    ["what"],
    registry=COUNTS,
)
BATCHES = Counter("thisthat_feed_batches", "Statements by which the price feed wrote them.", registry=COUNTS)
