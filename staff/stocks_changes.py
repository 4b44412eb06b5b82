"""Forms that set a stock's price, and open or close it for buyers."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.staff import StaffMember
from economy.stocks.models import Stock, StockHolding
from economy.stocks.prices import change_status, set_price
from staff.core.actions import Confirmation, ReasonForm
from staff.core.formatting import credits_of, page_of
from staff.core.tables import MAX_ROWS


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


def facts(stock: Stock) -> dict[str, str]:
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
        facts=facts(stock),
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
        facts=facts(stock),
        initial={"status": stock.status},
    )


# The button, and the page behind it.
PAGES: dict[str, tuple[str, Callable[[Stock, StaffMember], Confirmation]]] = {
    "price": ("Set the price", pricing),
    "status": ("Change the status", opening),
}
