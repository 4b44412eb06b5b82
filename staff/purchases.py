"""Purchases of credits: the table, each one's page with its trail, and refunds."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import Permission
from accounts.staff import StaffMember
from markets.selectors import as_uuid
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.services import refund_purchase
from staff.core.actions import Confirmation
from staff.core.formatting import DASH, credits_of, label_of, moment_of, page_of
from staff.core.pages import Detail, Facts, Link, Rows
from staff.core.tables import DetailTable, Recent, staff_member
from staff.ledger import OfUser, person_of
from staff.selectors import one_named
from staff.staff_actions import done_to

SHOWN = 50


class StatusFilter(Recent):
    title, parameter_name = "status", "status"
    values = CreditPurchase.Status.values


class ProviderFilter(Recent):
    title, parameter_name = "provider", "provider"
    values = ("manual", "stripe")


@admin.register(CreditPurchase)
class PurchaseTable(DetailTable, OfUser):
    """Newest first."""

    list_display = ("begun", "person", "package", "granted", "paid", "state", "by")
    list_display_links = ("begun",)
    list_filter = (StatusFilter, ProviderFilter)
    list_select_related = ("user",)
    search_help_text = "A user's id, e-mail, username or X handle; or the purchase's id, or the provider's own"
    order = ("-created_at", "-id")

    def found(self, queryset: QuerySet[CreditPurchase], term: str) -> QuerySet[CreditPurchase]:
        """By the unique indexes, each asked by itself."""
        named = as_uuid(term)
        if user_id := one_named(term):
            return queryset.filter(user_id=user_id).order_by(*self.order)
        if named:
            return queryset.filter(pk=named)
        by_provider = [
            CreditPurchase.objects.filter(provider__in=ProviderFilter.values, **{name: term}) for name in NAMES
        ]
        return queryset.filter(pk__in=[pk for found in by_provider for pk in found.values_list("pk", flat=True)])

    @admin.display(description="Begun, UTC")
    def begun(self, row: CreditPurchase) -> str:
        return moment_of(row.created_at)

    @admin.display(description="Package")
    def package(self, row: CreditPurchase) -> str:
        return row.package_id.capitalize()

    @admin.display(description="Credits")
    def granted(self, row: CreditPurchase) -> str:
        return credits_of(row.credits)

    @admin.display(description="US dollars")
    def paid(self, row: CreditPurchase) -> str:
        return f"${row.usd_amount:,.2f}"

    @admin.display(description="State")
    def state(self, row: CreditPurchase) -> str:
        return label_of(row.status)

    @admin.display(description="By")
    def by(self, row: CreditPurchase) -> str:
        return row.provider.capitalize()

    def detail(self, request: HttpRequest, original: CreditPurchase) -> Detail:
        return purchase_page(original, by=staff_member(request))

    def get_urls(self) -> list[URLPattern]:
        refund = self.admin_site.admin_view(self.refund)
        return [path("<uuid:purchase_id>/refund/", refund, name="purchases_creditpurchase_refund"), *super().get_urls()]

    def refund(self, request: HttpRequest, purchase_id: UUID) -> HttpResponse:
        by = staff_member(request)
        if not (by.may(Permission.VIEW_PEOPLE) and by.may(Permission.REFUND_PURCHASES)):
            raise PermissionDenied
        purchase = get_object_or_404(CreditPurchase.objects.select_related("user"), pk=purchase_id)
        if request.method != "POST" and not is_refundable(purchase):
            messages.error(request, f"Not possible: this purchase is {purchase.status}.")
            return redirect(page_of(purchase))
        return refunding(purchase, by).answer(request)


# What the provider calls a purchase: each with an index, the provider first.
NAMES = ("external_id", "checkout_id")


def is_refundable(purchase: CreditPurchase) -> bool:
    return purchase.status == CreditPurchase.Status.COMPLETED


def refunding(purchase: CreditPurchase, by: StaffMember) -> Confirmation:
    user = purchase.user
    missing = max(purchase.credits - user.available_credits, 0 * purchase.credits)

    def act(said: Mapping[str, Any]) -> str:
        refund_purchase(purchase_id=purchase.pk, by=by, reason=said["reason"], now=timezone.now())
        return f"Taken back: {credits_of(purchase.credits)} credits. Give the money back at the provider."

    return Confirmation(
        title=f"Refund {purchase.package_id.capitalize()} of @{user.username}",
        button="Take the credits back",
        back=page_of(purchase),
        act=act,
        warning="It takes the credits back. The money is given back at the provider, by you.",
        facts={
            "Credits": credits_of(purchase.credits),
            "US dollars": f"${purchase.usd_amount:,.2f}",
            "Available": credits_of(user.available_credits),
            "Would be owed": credits_of(missing),
        },
    )


def purchase_page(purchase: CreditPurchase, *, by: StaffMember) -> Detail:
    can = is_refundable(purchase) and by.may(Permission.REFUND_PURCHASES)
    return Detail(
        original=purchase,
        title=f"{purchase.package_id.capitalize()} for @{purchase.user.username}",
        subtitle=label_of(purchase.status),
        actions=[Link("Refund", reverse("admin:purchases_creditpurchase_refund", args=[purchase.pk]), "danger")]
        if can
        else [],
        blocks=[terms(purchase), trail(purchase), done_to(purchase)],
    )


def terms(purchase: CreditPurchase) -> Facts:
    return Facts(
        title="Purchase",
        facts={
            "User": person_of(purchase.user),
            "Credits": credits_of(purchase.credits),
            "US dollars": f"${purchase.usd_amount:,.2f}",
            "Provider": purchase.provider.capitalize(),
            "Begun, UTC": moment_of(purchase.created_at),
            "Paid, UTC": moment_of(purchase.completed_at),
            "Refunded, UTC": moment_of(purchase.refunded_at),
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
                moment_of(event.created_at),
                label_of(event.kind),
                event.actor.username if event.actor else DASH,
                event.provider_event_id or DASH,
                event.note or DASH,
            )
            for event in events[:SHOWN]
        ],
    )
