"""Stocks: the table, each one's page with its prices, and what is held and traded of them."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.models import Permission
from accounts.staff import StaffMember
from economy.stocks.models import Stock, StockHolding, StockPrice, StockStatusChange, StockTransaction
from economy.stocks.prices import change_status, set_price
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import credits_of, label_of, link_to, moment_of, page_of
from staff.core.pages import Detail, Facts, Link, Rows
from staff.core.tables import MAX_ROWS, DetailTable, Recent, Table, among_newest, staff_member
from staff.selectors import one_named

SHOWN = 50
COMMAND = "Command line"


@admin.register(Stock)
class StockTable(DetailTable):
    view_permission = Permission.VIEW_MARKETS
    list_display = ("symbol", "name", "price", "state", "in_circulation", "supply", "leverage", "changed")
    ordering = ("symbol",)
    sortable_by = ()

    @admin.display(description="Price")
    def price(self, stock: Stock) -> str:
        return decimal_of(stock.current_price)

    @admin.display(description="Status")
    def state(self, stock: Stock) -> SafeString:
        return label_of(stock.status)

    @admin.display(description="In circulation")
    def in_circulation(self, stock: Stock) -> str:
        return decimal_of(stock.circulating_supply)

    @admin.display(description="Supply")
    def supply(self, stock: Stock) -> str:
        return decimal_of(stock.total_supply)

    @admin.display(description="Leverage")
    def leverage(self, stock: Stock) -> str:
        return times_of(stock.max_leverage)

    @admin.display(description="Changed, UTC")
    def changed(self, stock: Stock) -> str:
        return moment_of(stock.updated_at)

    def detail(self, request: HttpRequest, original: Stock) -> Detail:
        may_change = staff_member(request).may(Permission.SET_STOCK_PRICES)
        pages = [(text, reverse("admin:stock_change", args=[original.pk, name])) for name, (text, _) in PAGES.items()]
        return Detail(
            original=original,
            title=f"{original.symbol}: {original.name}",
            subtitle=label_of(original.status),
            actions=[Link(text, url) for text, url in pages] if may_change else (),
            blocks=[facts(original), prices(original), statuses(original)],
        )

    def get_urls(self) -> list[URLPattern]:
        change = self.admin_site.admin_view(self.change)
        return [path("<uuid:stock_id>/change/<slug:name>/", change, name="stock_change"), *super().get_urls()]

    def change(self, request: HttpRequest, stock_id: UUID, name: str) -> HttpResponse:
        by = staff_member(request)
        if not by.may(Permission.SET_STOCK_PRICES) or name not in PAGES:
            raise PermissionDenied
        _, page = PAGES[name]
        return page(get_object_or_404(Stock, pk=stock_id), by).answer(request)


def facts(stock: Stock) -> Facts:
    def of_it(table: str) -> SafeString:
        return link_to(f"economy_{table}_changelist", "Show them", query=f"stock={stock.pk}")

    return Facts(
        title="Stock",
        facts={
            "Price": decimal_of(stock.current_price),
            "In circulation": f"{decimal_of(stock.circulating_supply)} of {decimal_of(stock.total_supply)} shares",
            "Worth at that price": credits_of(stock.current_price * stock.circulating_supply),
            "Leverage": f"Up to {times_of(stock.max_leverage)}",
            "Holdings": of_it("stockholding"),
            "Trades": of_it("stocktransaction"),
            "Listed, UTC": moment_of(stock.created_at),
            "Id": stock.pk,
        },
        text=stock.description,
    )


def prices(stock: Stock) -> Rows:
    rows = StockPrice.objects.filter(stock=stock).select_related("set_by").order_by("-sequence")
    return Rows(
        title="Prices",
        columns=("When, UTC", "Price", "Set by", "Why"),
        rows=[(moment_of(row.created_at), decimal_of(row.price), who_set(row), row.reason) for row in rows[:SHOWN]],
        more=Link("All prices", f"{reverse('admin:economy_stockprice_changelist')}?stock={stock.pk}"),
    )


def times_of(leverage: int) -> str:
    return f"{leverage}\N{MULTIPLICATION SIGN}"


def statuses(stock: Stock) -> Rows:
    rows = StockStatusChange.objects.filter(stock=stock).select_related("set_by").order_by("-sequence")
    return Rows(
        title="Changes of status",
        columns=("When, UTC", "Status", "Set by", "Why"),
        rows=[
            (
                moment_of(row.created_at),
                label_of(row.status),
                row.set_by.username if row.set_by else COMMAND,
                row.reason,
            )
            for row in rows[:SHOWN]
        ],
        none="Active since it was listed.",
    )


def who_set(price: StockPrice) -> str:
    if price.set_by:
        return price.set_by.username
    return "The catalogue" if price.sequence == 1 else COMMAND


class StockFilter(SimpleListFilter):
    """By one of the stocks, which are few."""

    title, parameter_name = "stock", "stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        stocks = Stock.objects.order_by("symbol").values_list("pk", "symbol")
        return [(str(stock_id), symbol) for stock_id, symbol in stocks]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = {stock_id for stock_id, _ in self.lookup_choices}
        wanted = self.value()
        return queryset.filter(stock_id=wanted) if wanted in known else queryset


class RecentStockFilter(StockFilter):
    """The same where no index begins with the stock."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        of_stock = super().queryset(request, queryset)
        return of_stock if of_stock is queryset or request.GET.get("q") else among_newest(of_stock)


class TypeFilter(Recent):
    title, parameter_name = "type", "type"
    values = StockTransaction.Type.values


class OfPeople(Table):
    """What people have of stocks, found by the user."""

    view_permission = Permission.VIEW_MARKETS
    list_display_links = None
    list_select_related = ("user", "stock")
    search_fields = ("user",)
    search_help_text = "A user's id, name or e-mail"
    ordering = ("-id",)
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (queryset.filter(user_id=one_named(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="User")
    def whose(self, row: Any) -> SafeString:
        return link_to("accounts_user_change", row.user.username, row.user_id)

    @admin.display(description="Stock")
    def of(self, row: Any) -> SafeString:
        return link_to("economy_stock_change", row.stock.symbol, row.stock_id)

    @admin.display(description="Shares")
    def how_many(self, row: Any) -> str:
        return decimal_of(row.shares)

    @admin.display(description="Invested")
    def put_in(self, row: Any) -> str:
        return credits_of(row.invested)

    @admin.display(description="Leverage")
    def times(self, row: Any) -> str:
        return times_of(row.leverage)

    @admin.display(description="When, UTC")
    def since(self, row: Any) -> str:
        return moment_of(row.created_at)


@admin.register(StockHolding)
class HoldingTable(OfPeople):
    list_display = ("since", "whose", "of", "how_many", "put_in", "times")
    list_filter = (StockFilter,)


@admin.register(StockTransaction)
class TradeTable(OfPeople):
    list_display = ("since", "whose", "of", "kind", "how_many", "at", "total", "times")
    list_filter = (RecentStockFilter, TypeFilter)

    @admin.display(description="Type")
    def kind(self, row: StockTransaction) -> str:
        return row.get_type_display()

    @admin.display(description="Price")
    def at(self, row: StockTransaction) -> str:
        return decimal_of(row.price_per_share)

    @admin.display(description="Credits")
    def total(self, row: StockTransaction) -> str:
        return credits_of(row.total_amount)


@admin.register(StockPrice)
class PriceTable(Table):
    """Every price that a stock had, when it was set, by whom and why."""

    view_permission = Permission.VIEW_MARKETS
    list_display = ("when", "of", "set_to", "who", "reason")
    list_display_links = None
    list_filter = (RecentStockFilter,)
    list_select_related = ("stock", "set_by")
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="When, UTC")
    def when(self, row: StockPrice) -> str:
        return moment_of(row.created_at)

    @admin.display(description="Stock")
    def of(self, row: StockPrice) -> SafeString:
        return link_to("economy_stock_change", row.stock.symbol, row.stock_id)

    @admin.display(description="Price")
    def set_to(self, row: StockPrice) -> str:
        return decimal_of(row.price)

    @admin.display(description="Set by")
    def who(self, row: StockPrice) -> str:
        return who_set(row)


class PriceForm(ReasonForm):
    price = forms.DecimalField(
        max_digits=18,
        decimal_places=8,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text="Credits a share.",
    )
    field_order = ("price", "reason")


class StatusForm(ReasonForm):
    status = forms.ChoiceField(
        choices=[
            (Stock.Status.ACTIVE, "Active: bought and sold"),
            (Stock.Status.HALTED, "Halted: sold, not bought"),
            (Stock.Status.DELISTED, "Delisted: sold, not bought, for good"),
        ],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ("status", "reason")


def decimal_of(number: Decimal) -> str:
    """Shares or a price, without zeros at the end."""
    return f"{number.normalize():,f}"


def consequences(stock: Stock) -> dict[str, str]:
    return {
        "Price": decimal_of(stock.current_price),
        "Status": stock.get_status_display(),
        "In circulation": f"{decimal_of(stock.circulating_supply)} shares of {holders(stock)} people",
        "Worth at that price": credits_of(stock.current_price * stock.circulating_supply),
    }


def holders(stock: Stock) -> str:
    """Counted no further than a table's rows."""
    count = StockHolding.objects.filter(stock=stock)[:MAX_ROWS].count()
    return f"{count:,}" if count < MAX_ROWS else f"{count:,} or more"


def pricing(stock: Stock, by: StaffMember) -> Confirmation:
    def act(said: Mapping[str, Any]) -> str:
        set_price(stock_id=stock.pk, price=said["price"], by=by, reason=said["reason"], now=timezone.now())
        return f"{stock.symbol} is at {decimal_of(said['price'])} now."

    return Confirmation(
        title=f"Set the price of {stock.symbol}",
        button="Set the price",
        back=page_of(stock),
        act=act,
        form=PriceForm,
        warning="It holds at once for all who have shares. Holdings with leverage that are worth nothing at the new "
        "price are closed.",
        facts=consequences(stock),
        initial={"price": decimal_of(stock.current_price).replace(",", "")},
    )


def opening(stock: Stock, by: StaffMember) -> Confirmation:
    def act(said: Mapping[str, Any]) -> str:
        status = Stock.Status(said["status"])
        change_status(stock_id=stock.pk, status=status, by=by, reason=said["reason"], now=timezone.now())
        return f"{stock.symbol} is {status.label.lower()} now."

    return Confirmation(
        title=f"Change the status of {stock.symbol}",
        button="Change the status",
        back=page_of(stock),
        act=act,
        form=StatusForm,
        facts=consequences(stock),
        initial={"status": stock.status},
    )


# The button, and the page behind it.
PAGES: dict[str, tuple[str, Callable[[Stock, StaffMember], Confirmation]]] = {
    "price": ("Set the price", pricing),
    "status": ("Change the status", opening),
}
