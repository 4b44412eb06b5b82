"""How often one client may make Polymarket be asked. What is answered from our own data isn't throttled."""

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.requests import PerClientThrottle


class IngestThrottle(PerClientThrottle):
    scope = "ingest"


class UpstreamThrottle(PerClientThrottle):
    scope = "upstream"


def check_upstream_throttle(request: Request, view: APIView) -> None:
    """To be called before the upstream is asked for a client. Raises Throttled."""
    throttle = UpstreamThrottle()
    if not throttle.allow_request(request, view):
        raise Throttled(wait=throttle.wait())
