"""The rules of purchases: which packages of credits are sold, and whether without paying. Set by the environment.

Read them through the module (`rules.PURCHASE_PACKAGES`), so that a test can set another value.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.environment import env
from purchases.errors import InvalidPackage

PURCHASE_PACKAGES = env.str(
    "PURCHASE_PACKAGES", default="starter:500:4.99,boost:1000:9.99,pro:2500:19.99,whale:5000:34.99"
)
# The simulated provider gives credits away, so in production it is on only where the operator says so.
PURCHASES_ALLOW_SIMULATED = env.bool("PURCHASES_ALLOW_SIMULATED", default=settings.DEBUG)
STRIPE_REQUEST_SECONDS = 10  # one request of Stripe may take so long
PAYMENT_RETRY_AFTER_SECONDS = 5  # a client is told to wait so long while a provider can't be reached
LIST_LIMIT = 200  # purchases in a user's list
# A provider's event that couldn't be processed is tried again after so long, twice as long each time.
EVENT_RETRY_FIRST, EVENT_RETRY_MAX = timedelta(minutes=5), timedelta(hours=6)
EVENT_RETRIES_PER_RUN = 100
PROCESSED_EVENTS_KEPT_FOR = timedelta(days=30)
# Purchases that have been pending for so long are looked up at the provider, whose event may be lost: so many a run.
RECONCILE_AFTER, RECONCILE_UNTIL = timedelta(minutes=15), timedelta(days=7)
RECONCILE_PER_RUN = 50
PACKAGE_FORM = re.compile(r"([a-z0-9_-]{1,50}):([1-9][0-9]{0,8}):([0-9]{1,6}\.[0-9]{2})(?::([^:,]{1,50}))?")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of credits. `usd`: its price in US dollars."""

    id: str
    credits: Decimal
    usd: Decimal
    label: str


def packages() -> dict[str, Package]:
    """Return the packages that are sold, by id."""
    return parse_packages(PURCHASE_PACKAGES)


def find_package(package_id: str) -> Package:
    """Return the package. Raises InvalidPackage."""
    package = packages().get(package_id)
    if package is None:
        raise InvalidPackage
    return package


@lru_cache(maxsize=8)
def parse_packages(text: str) -> dict[str, Package]:
    """Parse `starter:500:4.99:Starter, …`: id, credits, price, and a label, which may be left out.

    Raises ImproperlyConfigured with the variable's name.
    """
    found: dict[str, Package] = {}
    for entry in (part.strip() for part in text.split(",")):
        match = PACKAGE_FORM.fullmatch(entry)
        if match is None or match[1] in found or not Decimal(match[3]):
            raise ImproperlyConfigured(
                f"PURCHASE_PACKAGES has {entry!r}: write id:credits:dollars:label, such as starter:500:4.99:Starter."
            )
        package_id, package_credits, usd, label = match.groups()
        found[package_id] = Package(package_id, Decimal(package_credits), Decimal(usd), label or package_id.title())
    return found
