"""The Polymarket clients of this process, made from the settings: a patient one for jobs, a quick one for requests."""

from functools import cache

from django.conf import settings

from markets.polymarket.breaker import CircuitBreaker
from markets.polymarket.client import Patience, PolymarketClient

# A person is waiting: one try, and an answer within three seconds whatever happens.
QUICK = Patience(connect=1, read=2, total=2.5, attempts=1)
PATIENT = Patience()


@cache
def patient_client() -> PolymarketClient:
    """For ingestion and other jobs: tries again, and gives up after half a minute a call."""
    return client(PATIENT)


@cache
def quick_client() -> PolymarketClient:
    """For requests. Its breaker makes a dead upstream cost nothing."""
    return client(QUICK)


def client(patience: Patience) -> PolymarketClient:
    return PolymarketClient(
        gamma_url=settings.POLYMARKET_GAMMA_URL,
        clob_url=settings.POLYMARKET_CLOB_URL,
        patience=patience,
        breaker=CircuitBreaker(),
    )
