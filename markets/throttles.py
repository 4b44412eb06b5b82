"""How often one client may make Polymarket be requested. What is served from our own data isn't throttled."""

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.requests import PerClientThrottle


class IngestThrottle(PerClientThrottle):
    """Limits requests to ingest."""

    scope = "ingest"


class UpstreamThrottle(PerClientThrottle):
    """Limits requests that need live odds which aren't cached."""

    scope = "upstream"


def check_upstream_throttle(request: Request, view: APIView) -> None:
    """Count a request to the upstream, before it is sent. Raises Throttled."""
    throttle = UpstreamThrottle()
    if not throttle.allow_request(request, view):
        raise Throttled(wait=throttle.wait())
