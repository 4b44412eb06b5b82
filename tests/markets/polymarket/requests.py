"""Requests of the client, and what the server responds, for its tests."""

from core.resilience import CircuitBreaker
from markets.polymarket.transport import RequestPolicy
from tests.markets.polymarket.scripted_server import Reply

QUICK = RequestPolicy(connect=1, read=0.3, total=2, attempts=3, backoff=0.01, backoff_max=0.02)


def events(*ids, cursor=None):
    return Reply({"events": [{"id": number} for number in ids]} | ({"next_cursor": cursor} if cursor else {}))


def markets(*ids, **more):
    return Reply({"markets": [{"conditionId": name} for name in ids]} | more)


def first_page(client):
    return next(client.iter_event_pages())


def breaker_after(failures, **options):
    """A breaker that opens after so many failures in a row, for ten seconds."""
    return CircuitBreaker("Polymarket", fallback="nothing", failures=failures, reset_seconds=10, **options)
