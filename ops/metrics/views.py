"""`/metrics`, which the outside doesn't see: it answers as a path that isn't there."""

from hmac import compare_digest
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CONTENT_TYPE_LATEST

from core.api.errors import not_found
from ops.metrics.exposition import exposition

# What proxies add. One that adds none must be known by NUM_PROXIES or TRUST_PROXY.
FORWARDED = ("X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "X_REAL_IP", "FORWARDED", "VIA")


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """For who has METRICS_TOKEN, and for this machine's own Prometheus."""
    if request.method not in ("GET", "HEAD") or not (has_token(request) or is_on_this_machine(request)):
        return not_found(request)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.METRICS_TOKEN.encode()
    return bool(token) and scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token)


def is_on_this_machine(request: HttpRequest) -> bool:
    """Whether it came from here and not through a proxy, which may stand on this machine and serve the world."""
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.REST_FRAMEWORK["NUM_PROXIES"]
    if behind_proxy or any(f"HTTP_{header}" in request.META for header in FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
