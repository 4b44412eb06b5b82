"""How often one client may make Polymarket be asked. What is answered from our own data isn't throttled."""

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


class PerClientThrottle(SimpleRateThrottle):
    """Counts by user where there is one, else by address; in the cache, which Redis shares among machines."""

    def get_cache_key(self, request: Request, view: APIView) -> str:
        who = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.scope}:{who}"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return not settings.THROTTLE_ENABLED or super().allow_request(request, view)


class IngestThrottle(PerClientThrottle):
    scope = "ingest"


class UpstreamThrottle(PerClientThrottle):
    scope = "upstream"


def check_upstream_throttle(request: Request, view: APIView) -> None:
    """To be called before the upstream is asked for a client. Raises Throttled."""
    throttle = UpstreamThrottle()
    if not throttle.allow_request(request, view):
        raise Throttled(wait=throttle.wait())
