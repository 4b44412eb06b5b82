"""Stocks: the table, each one's page with its prices, and what is held and traded of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.models import Permission
from accounts.staff import StaffMember
from economy.stocks.models import Stock, StockHolding, StockPrice, StockStatusChange, StockTransaction
from economy.stocks.prices import change_status, set_price
from staff.core.actions import Action, Actions, ActionTable, Confirmation, ReasonForm
from staff.core.formatting import change_url, format_credits, format_time, link_to, status_label
from staff.core.pages import Detail, Facts, Link, Rows
from staff.core.tables import MAX_ROWS, Recent, Table, among_newest, staff_member
from staff.selectors import find_user_id


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
    """Format shares or a price, without zeros at the end."""
    return f"{number.normalize():,f}"


def consequences(stock: Stock) -> dict[str, str]:
    return {
        "Price": decimal_of(stock.current_price),
        "Status": stock.get_status_display(),
        "In circulation": f"{decimal_of(stock.circulating_supply)} shares of {holders(stock)} users",
        "Worth at that price": format_credits(stock.current_price * stock.circulating_supply),
    }


def holders(stock: Stock) -> str:
    """Return the number of holders, counted no further than a table's rows."""
    count = StockHolding.objects.filter(stock=stock)[:MAX_ROWS].count()
    return f"{count:,}" if count < MAX_ROWS else f"{count:,} or more"


def pricing(stock: Stock, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        set_price(stock_id=stock.pk, price=data["price"], by=by, reason=data["reason"], now=timezone.now())
        return f"{stock.symbol} is at {decimal_of(data['price'])} now."

    return Confirmation(
        title=f"Set the price of {stock.symbol}",
        button="Set the price",
        back=change_url(stock),
        act=act,
        form=PriceForm,
        warning="It holds at once for all who have shares. Holdings with leverage that are worth nothing at the new "
        "price are closed.",
        facts=consequences(stock),
        initial={"price": decimal_of(stock.current_price).replace(",", "")},
    )


def changing_status(stock: Stock, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        status = Stock.Status(data["status"])
        change_status(stock_id=stock.pk, status=status, by=by, reason=data["reason"], now=timezone.now())
        return f"{stock.symbol} is {status.label.lower()} now."

    return Confirmation(
        title=f"Change the status of {stock.symbol}",
        button="Change the status",
        back=change_url(stock),
        act=act,
        form=StatusForm,
        facts=consequences(stock),
        initial={"status": stock.status},
    )


STOCK_ACTIONS = Actions(
    url_name="stock_change",
    url_path="<uuid:object_id>/change/<slug:name>/",
    by_name={
        "price": Action(button="Set the price", permission=Permission.SET_STOCK_PRICES, page=pricing),
        "status": Action(button="Change the status", permission=Permission.SET_STOCK_PRICES, page=changing_status),
    },
)

SHOWN = 50
COMMAND = "Command line"


@admin.register(Stock)
class StockTable(ActionTable):
    view_permission = Permission.VIEW_MARKETS
    staff_actions = STOCK_ACTIONS
    list_display = ("symbol", "name", "price", "state", "in_circulation", "supply", "leverage", "changed")
    ordering = ("symbol",)
    sortable_by = ()

    @admin.display(description="Price")
    def price(self, stock: Stock) -> str:
        return decimal_of(stock.current_price)

    @admin.display(description="Status")
    def state(self, stock: Stock) -> SafeString:
        return status_label(stock.status)

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
        return format_time(stock.updated_at)

    def detail(self, request: HttpRequest, original: Stock) -> Detail:
        return Detail(
            original=original,
            title=f"{original.symbol}: {original.name}",
            subtitle=status_label(original.status),
            actions=STOCK_ACTIONS.links(original, by=staff_member(request)),
            blocks=[facts(original), prices(original), statuses(original)],
        )


def facts(stock: Stock) -> Facts:
    def of_it(table: str) -> SafeString:
        return link_to(f"economy_{table}_changelist", "Show them", query=f"stock={stock.pk}")

    return Facts(
        title="Stock",
        facts={
            "Price": decimal_of(stock.current_price),
            "In circulation": f"{decimal_of(stock.circulating_supply)} of {decimal_of(stock.total_supply)} shares",
            "Worth at that price": format_credits(stock.current_price * stock.circulating_supply),
            "Leverage": f"Up to {times_of(stock.max_leverage)}",
            "Holdings": of_it("stockholding"),
            "Trades": of_it("stocktransaction"),
            "Listed, UTC": format_time(stock.created_at),
            "Id": stock.pk,
        },
        text=stock.description,
    )


def prices(stock: Stock) -> Rows:
    rows = StockPrice.objects.filter(stock=stock).select_related("set_by").order_by("-sequence")
    return Rows(
        title="Prices",
        columns=("When, UTC", "Price", "Set by", "Why"),
        rows=[(format_time(row.created_at), decimal_of(row.price), who_set(row), row.reason) for row in rows[:SHOWN]],
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
                format_time(row.created_at),
                status_label(row.status),
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


class OfUsers(Table):
    """What users hold and trade, found by the user."""

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
        return (queryset.filter(user_id=find_user_id(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="User")
    def user_(self, row: Any) -> SafeString:
        return link_to("accounts_user_change", row.user.username, row.user_id)

    @admin.display(description="Stock")
    def stock_(self, row: Any) -> SafeString:
        return link_to("economy_stock_change", row.stock.symbol, row.stock_id)

    @admin.display(description="Shares")
    def shares_(self, row: Any) -> str:
        return decimal_of(row.shares)

    @admin.display(description="Invested")
    def invested_(self, row: Any) -> str:
        return format_credits(row.invested)

    @admin.display(description="Leverage")
    def leverage_(self, row: Any) -> str:
        return times_of(row.leverage)

    @admin.display(description="When, UTC")
    def since(self, row: Any) -> str:
        return format_time(row.created_at)


@admin.register(StockHolding)
class HoldingTable(OfUsers):
    list_display = ("since", "user_", "stock_", "shares_", "invested_", "leverage_")
    list_filter = (StockFilter,)


@admin.register(StockTransaction)
class TradeTable(OfUsers):
    list_display = ("since", "user_", "stock_", "type_", "shares_", "price_", "credits_", "leverage_")
    list_filter = (RecentStockFilter, TypeFilter)

    @admin.display(description="Type")
    def type_(self, row: StockTransaction) -> str:
        return row.get_type_display()

    @admin.display(description="Price")
    def price_(self, row: StockTransaction) -> str:
        return decimal_of(row.price_per_share)

    @admin.display(description="Credits")
    def credits_(self, row: StockTransaction) -> str:
        return format_credits(row.total_amount)


@admin.register(StockPrice)
class PriceTable(Table):
    """Every price that a stock had, when it was set, by whom and why."""

    view_permission = Permission.VIEW_MARKETS
    list_display = ("when", "stock_", "set_to", "who", "reason")
    list_display_links = None
    list_filter = (RecentStockFilter,)
    list_select_related = ("stock", "set_by")
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="When, UTC")
    def when(self, row: StockPrice) -> str:
        return format_time(row.created_at)

    @admin.display(description="Stock")
    def stock_(self, row: StockPrice) -> SafeString:
        return link_to("economy_stock_change", row.stock.symbol, row.stock_id)

    @admin.display(description="Price")
    def set_to(self, row: StockPrice) -> str:
        return decimal_of(row.price)

    @admin.display(description="Set by")
    def who(self, row: StockPrice) -> str:
        return who_set(row)
