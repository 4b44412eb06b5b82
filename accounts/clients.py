"""Where a request came from, as it is kept beside the token that it was given."""

from ipaddress import ip_address
from typing import NamedTuple

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


class Client(NamedTuple):
    """`ip` is None where the address that a proxy named is none."""

    user_agent: str
    ip: str | None


def client_of(request: Request | HttpRequest) -> Client:
    return Client(user_agent=request.META.get("HTTP_USER_AGENT", ""), ip=address_of(request))


def address_of(request: Request | HttpRequest) -> str | None:
    # Looks at META alone, so Django's request is as good as DRF's.
    named = BaseThrottle().get_ident(request)  # type: ignore[arg-type]
    try:
        return str(ip_address(named or ""))
    except ValueError:
        return None
