"""What stands in a table or among the facts: credits, odds and times as a person reads them, links and labels."""

from datetime import datetime
from decimal import Decimal
from functools import cache

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

DASH = "\N{EN DASH}"
# The words of all statuses there are, in the label's colours.
COLOURS = {
    "open": "info",
    "pending": "info",
    "active": "success",
    "won": "success",
    "resolved": "success",
    "finished": "success",
    "succeeded": "success",
    "running": "info",
    "failed": "danger",
    "abandoned": "danger",
    "closed": "warning",
    "halted": "warning",
    "unfinished": "warning",
    "set aside": "danger",
    "reversed": "danger",
    "delisted": "danger",
    "needs staff": "danger",
    "staff": "primary",
    "applied": "success",
    "approved": "success",
    "completed": "success",
    "started": "info",
    "declined": "warning",
    "refunded": "warning",
    "disputed": "danger",
    "suspended": "danger",
}


def credits_of(amount: Decimal | None) -> str:
    """With both decimals: "1,234.50"."""
    return DASH if amount is None else f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")


def percent_of(odds: Decimal) -> str:
    """Odds are probabilities: "62.5%"."""
    return f"{(odds * 100).normalize():f}%"


def moment_of(moment: datetime | None, *, otherwise: str = DASH) -> str:
    """In UTC, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else otherwise


def link_to(page: str, text: object, *args: object, query: str = "") -> SafeString:
    """To a page of the admin: its URL's name and arguments."""
    address = reverse(f"admin:{page}", args=args) + (query and f"?{query}")
    return format_html('<a href="{}" class="font-medium text-primary-600 dark:text-primary-500">{}</a>', address, text)


@cache
def label_of(status: str) -> SafeString:
    """A status as a coloured label."""
    text = status.replace("_", " ")
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": COLOURS.get(text, "default")})


def page_of(thing: Model) -> str:
    """The address of its page."""
    opts = thing._meta  # noqa: SLF001 - Django's, for everybody
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[thing.pk])
