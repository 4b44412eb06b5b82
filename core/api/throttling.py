"""How often one client may ask: counted in the cache, which Redis shares among machines.

While Redis is away each process counts for itself: nobody is refused for want of it, and nobody asks without bound.
"""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


class PerClientThrottle(SimpleRateThrottle):
    """Counts by user where there is one, else by address. A subclass sets `scope`, whose rate is a setting."""

    def get_rate(self) -> str | None:
        rates: dict[str, str] = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        return rates[str(self.scope)]

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        who = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.scope}:{who}"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return not settings.THROTTLE_ENABLED or super().allow_request(request, view)
