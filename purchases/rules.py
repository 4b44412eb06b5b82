"""What can be bought, from the setting PURCHASE_PACKAGES."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.api.errors import DomainError

FORM = re.compile(r"([a-z0-9_-]{1,50}):([1-9][0-9]{0,8}):([0-9]{1,6}\.[0-9]{2})(?::([^:,]{1,50}))?")


class InvalidPackage(DomainError):
    code = "invalid_package"
    message = "There is no such package."


@dataclass(frozen=True, slots=True)
class Package:
    """`usd`: the price in US dollars."""

    id: str
    credits: Decimal
    usd: Decimal
    label: str


def packages() -> dict[str, Package]:
    return read_packages(settings.PURCHASE_PACKAGES)


def find_package(package_id: str) -> Package:
    """Raises InvalidPackage."""
    package = packages().get(package_id)
    if package is None:
        raise InvalidPackage
    return package


@lru_cache(maxsize=8)
def read_packages(text: str) -> dict[str, Package]:
    """`starter:500:4.99:Starter, …`: id, credits, price, and a label, which may be left out.

    Raises ImproperlyConfigured with the setting's name.
    """
    found: dict[str, Package] = {}
    for entry in (part.strip() for part in text.split(",")):
        read = FORM.fullmatch(entry)
        if read is None or read[1] in found or not Decimal(read[3]):
            raise ImproperlyConfigured(
                f"PURCHASE_PACKAGES has {entry!r}: write id:credits:dollars:label, such as starter:500:4.99:Starter."
            )
        package_id, credits_bought, usd, label = read.groups()
        found[package_id] = Package(package_id, Decimal(credits_bought), Decimal(usd), label or package_id.title())
    return found
