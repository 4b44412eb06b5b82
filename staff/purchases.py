"""Purchases of credits: the table, each one's page with its trail, and refunds."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Permission
from accounts.staff import StaffMember
from core.api.requests import parse_uuid
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.providers import PROVIDERS
from purchases.services import refund_purchase
from staff.action_log import done_to
from staff.core.actions import Action, Actions, ActionTable, Confirmation
from staff.core.formatting import DASH, change_url, format_credits, format_time, status_label
from staff.core.pages import Detail, Facts, Rows
from staff.core.tables import Recent, staff_member
from staff.ledger import OfUser, link_to_user
from staff.selectors import find_user_id, open_disputes
from staff.services import close_dispute

SHOWN = 50


class StatusFilter(Recent):
    title, parameter_name = "status", "status"
    values = CreditPurchase.Status.values


class ProviderFilter(Recent):
    title, parameter_name = "provider", "provider"
    values = tuple(PROVIDERS)


def refusal_to_refund(purchase: CreditPurchase, by: StaffMember) -> str:
    refundable = purchase.status == CreditPurchase.Status.COMPLETED
    return "" if refundable else f"Not possible: this purchase is {purchase.status}."


def refunding(purchase: CreditPurchase, by: StaffMember) -> Confirmation:
    user = purchase.user
    missing = max(purchase.credits - user.available_credits, 0 * purchase.credits)

    def act(data: Mapping[str, Any]) -> str:
        refund_purchase(purchase_id=purchase.pk, by=by, reason=data["reason"], now=timezone.now())
        return f"Taken back: {format_credits(purchase.credits)} credits. Give the money back at the provider."

    return Confirmation(
        title=f"Refund {purchase.package_id.capitalize()} of @{user.username}",
        button="Take the credits back",
        back=change_url(purchase),
        act=act,
        warning="It takes the credits back. The money is given back at the provider, by you.",
        facts={
            "Credits": format_credits(purchase.credits),
            "US dollars": f"${purchase.usd_amount:,.2f}",
            "Available": format_credits(user.available_credits),
            "Would be owed": format_credits(missing),
        },
    )


def refusal_to_judge(purchase: CreditPurchase, by: StaffMember) -> str:
    return "" if open_disputes().filter(purchase=purchase).exists() else "Nothing of this purchase is disputed."


def judging(purchase: CreditPurchase, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        close_dispute(purchase_id=purchase.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Judged: it waits for nobody any more."

    disputes = open_disputes().filter(purchase=purchase).order_by("id")
    return Confirmation(
        title=f"What was disputed of {purchase.package_id.capitalize()} of @{purchase.user.username}",
        button="It is dealt with",
        back=change_url(purchase),
        act=act,
        warning="No credits move. Refund the purchase instead, if the money went back.",
        caption="What the provider said",
        columns=("When, UTC", "What"),
        rows=[(format_time(event.created_at), event.note or DASH) for event in disputes[:SHOWN]],
    )


PURCHASE_ACTIONS = Actions(
    url_name="purchases_creditpurchase_{name}",
    url_path="<uuid:object_id>/{name}/",
    by_name={
        "refund": Action(
            button="Refund",
            permission=Permission.REFUND_PURCHASES,
            page=refunding,
            refusal=refusal_to_refund,
            variant="danger",
        ),
        "dispute": Action(
            button="Close the dispute",
            permission=Permission.REFUND_PURCHASES,
            page=judging,
            refusal=refusal_to_judge,
            variant="primary",
        ),
    },
)


@admin.register(CreditPurchase)
class PurchaseTable(ActionTable, OfUser):
    """Purchases, newest first."""

    staff_actions = PURCHASE_ACTIONS
    list_display = ("begun", "person", "package", "granted", "paid", "state", "by")
    list_display_links = ("begun",)
    list_filter = (StatusFilter, ProviderFilter)
    list_select_related = ("user",)
    search_help_text = "A user's id, e-mail, username or X handle; or the purchase's id, or the provider's own"
    order = ("-created_at", "-id")

    def found(self, queryset: QuerySet[CreditPurchase], term: str) -> QuerySet[CreditPurchase]:
        """Return purchases by their unique indexes, each queried by itself."""
        named = parse_uuid(term)
        if user_id := find_user_id(term):
            return queryset.filter(user_id=user_id).order_by(*self.order)
        if named:
            return queryset.filter(pk=named)
        return queryset.filter(called_by_provider(term))

    @admin.display(description="Begun, UTC")
    def begun(self, row: CreditPurchase) -> str:
        return format_time(row.created_at)

    @admin.display(description="Package")
    def package(self, row: CreditPurchase) -> str:
        return row.package_id.capitalize()

    @admin.display(description="Credits")
    def granted(self, row: CreditPurchase) -> str:
        return format_credits(row.credits)

    @admin.display(description="US dollars")
    def paid(self, row: CreditPurchase) -> str:
        return f"${row.usd_amount:,.2f}"

    @admin.display(description="State")
    def state(self, row: CreditPurchase) -> str:
        return status_label(row.status)

    @admin.display(description="By")
    def by(self, row: CreditPurchase) -> str:
        return row.provider.capitalize()

    def detail(self, request: HttpRequest, original: CreditPurchase) -> Detail:
        return purchase_page(original, by=staff_member(request))


# What the provider calls a purchase: each with an index, the provider first.
NAMES = ("external_id", "checkout_id")


def called_by_provider(term: str) -> Q:
    """Return the purchases that the provider calls so; two statements, each by its index."""
    found = [CreditPurchase.objects.filter(provider__in=ProviderFilter.values, **{name: term}) for name in NAMES]
    return Q(pk__in=[pk for purchases in found for pk in purchases.values_list("pk", flat=True)])


def purchase_page(purchase: CreditPurchase, *, by: StaffMember) -> Detail:
    return Detail(
        original=purchase,
        title=f"{purchase.package_id.capitalize()} for @{purchase.user.username}",
        subtitle=status_label(purchase.status),
        actions=PURCHASE_ACTIONS.links(purchase, by=by),
        blocks=[terms(purchase), trail(purchase), done_to(purchase)],
    )


def terms(purchase: CreditPurchase) -> Facts:
    return Facts(
        title="Purchase",
        facts={
            "User": link_to_user(purchase.user),
            "Credits": format_credits(purchase.credits),
            "US dollars": f"${purchase.usd_amount:,.2f}",
            "Provider": purchase.provider.capitalize(),
            "Begun, UTC": format_time(purchase.created_at),
            "Paid, UTC": format_time(purchase.completed_at),
            "Refunded, UTC": format_time(purchase.refunded_at),
            "Id": purchase.pk,
            "Called by the provider or client": purchase.external_id,
            "Checkout": purchase.checkout_id or DASH,
        },
    )


def trail(purchase: CreditPurchase) -> Rows:
    events = PurchaseEvent.objects.filter(purchase=purchase).select_related("actor").order_by("created_at", "id")
    return Rows(
        title="What happened",
        columns=("When, UTC", "What", "By", "The provider's word", "Note"),
        rows=[
            (
                format_time(event.created_at),
                status_label(event.kind),
                event.actor.username if event.actor else DASH,
                event.provider_event_id or DASH,
                event.note or DASH,
            )
            for event in events[:SHOWN]
        ],
    )
