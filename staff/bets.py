"""Admin tables and pages of bets, settlements and failed settlements."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import Permission, User
from betting.models import Bet, BetSale, Settlement, SettlementFailure
from core.api.requests import parse_uuid
from economy.models import CreditTransaction
from staff.core.formatting import format_credits, format_percent, format_time, link_to, status_label
from staff.core.pages import Detail, Facts, Rows
from staff.core.tables import DetailTable, Recent
from staff.markets.page import settlement_status
from staff.markets.table import WIDE, MarketRelatedTable
from staff.selectors import find_user_id

SHOWN = 200


class BetStatusFilter(Recent):
    title, parameter_name = "status", "status"
    values = Bet.Status.values


class SideFilter(Recent):
    title, parameter_name = "side", "side"
    values = Bet.Side.values


@admin.register(Bet)
class BetTable(DetailTable):
    """Bets, newest first; found by the id of the bet, its market or its user, or by the user's name or e-mail."""

    view_permission = Permission.VIEW_MARKETS
    list_display = ("placed", "user_", "market_", "on", "stake", "odds", "state", "gets")
    list_display_links = ("placed",)
    list_filter = (BetStatusFilter, SideFilter)
    list_select_related = ("user", "market")
    search_fields = ("id",)
    search_help_text = "Id of a bet, market or user; a name"
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bet]:
        bets: QuerySet[Bet] = super().get_queryset(request).select_related("user", "market")
        return bets.defer(*(f"market__{name}" for name in WIDE))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Bet], search_term: str
    ) -> tuple[QuerySet[Bet], bool]:
        return (queryset.filter(matching(search_term.strip())) if search_term.strip() else queryset), False

    @admin.display(description="Placed, UTC")
    def placed(self, bet: Bet) -> str:
        return format_time(bet.placed_at)

    @admin.display(description="User")
    def user_(self, bet: Bet) -> SafeString:
        return link_to("accounts_user_change", bet.user.username, bet.user_id)

    @admin.display(description="Market")
    def market_(self, bet: Bet) -> SafeString:
        return link_to("markets_market_change", bet.market.title, bet.market_id)

    @admin.display(description="On")
    def on(self, bet: Bet) -> str:
        return option_of(bet)

    @admin.display(description="Stake")
    def stake(self, bet: Bet) -> str:
        return format_credits(bet.amount - bet.sold_amount)

    @admin.display(description="Odds")
    def odds(self, bet: Bet) -> str:
        return format_percent(bet.odds_at_bet)

    @admin.display(description="Status")
    def state(self, bet: Bet) -> SafeString:
        return status_label(bet.status)

    @admin.display(description="Got so far")
    def gets(self, bet: Bet) -> str:
        return format_credits((bet.actual_payout or 0) + bet.sold_payout)

    def detail(self, request: HttpRequest, original: Bet) -> Detail:
        return bet_page(original)


def matching(term: str) -> Q:
    """Return the bets of an id (a bet's, market's or user's, one look-up each) or of a user's name."""
    if named := parse_uuid(term):
        if Bet.objects.filter(pk=named).exists():
            return Q(pk=named)
        return Q(user_id=named) if User.objects.filter(pk=named).exists() else Q(market_id=named)
    user_id = find_user_id(term)
    return Q(user_id=user_id) if user_id else Q(pk__in=[])


def option_of(bet: Bet) -> str:
    option = bet.market.this_option if bet.side == Bet.Side.THIS else bet.market.that_option
    return f"{bet.side.upper()}: {option}"


def bet_page(bet: Bet) -> Detail:
    """Return the page of a bet. Three statements besides the bet's own."""
    failure = SettlementFailure.objects.filter(bet=bet).first()
    return Detail(
        original=bet,
        title=f"{format_credits(bet.amount)} on {option_of(bet)}",
        subtitle=status_label(bet.status),
        notice=f"Settlement failed at {format_time(failure.failed_at)} UTC: {failure.error}" if failure else "",
        blocks=[terms(bet), sales(bet), ledger_entries(bet)],
    )


def terms(bet: Bet) -> Facts:
    return Facts(
        title="Bet",
        facts={
            "User": link_to("accounts_user_change", bet.user.username, bet.user_id),
            "Market": link_to("markets_market_change", bet.market.title, bet.market_id),
            "Odds": format_percent(bet.odds_at_bet),
            "Placed, UTC": format_time(bet.placed_at),
            "Stake": format_credits(bet.amount),
            "Stake sold": format_credits(bet.sold_amount),
            "Got for it": format_credits(bet.sold_payout),
            "Shares": format_credits(bet.shares),
            "Pays if it wins": format_credits(bet.shares - bet.sold_shares),
            "Paid at the end": format_credits(bet.actual_payout),
            "Ended, UTC": format_time(bet.resolved_at),
            "Times settled": f"{bet.settlement_count}",
            "Id": bet.pk,
        },
    )


def sales(bet: Bet) -> Rows:
    return Rows(
        title="Sales",
        columns=("When, UTC", "Stake sold", "At odds", "Credits"),
        rows=[
            (
                format_time(sale.created_at),
                format_credits(sale.amount),
                format_percent(sale.odds),
                format_credits(sale.payout),
            )
            for sale in BetSale.objects.filter(bet=bet).order_by("occurrence")[:SHOWN]
        ],
        none="Nothing of it was sold.",
    )


def ledger_entries(bet: Bet) -> Rows:
    return Rows(
        title="Ledger entries",
        columns=("When, UTC", "What", "Counterparty", "Credits", "Balance after"),
        rows=[
            (
                format_time(row.created_at),
                row.description or row.get_transaction_type_display(),
                row.get_counterparty_display(),
                format_credits(row.amount),
                format_credits(row.balance_after),
            )
            for row in CreditTransaction.objects.filter(reference_id=bet.pk).order_by("sequence")[:SHOWN]
        ],
    )


class SettlementFilter(Recent):
    title, parameter_name = "resolution", "resolution"
    values = ("this", "that", "invalid")


@admin.register(Settlement)
class SettlementTable(MarketRelatedTable):
    """What was paid for each market that is over, newest first."""

    list_display = ("begun", "market_link", "as_", "state", "won", "lost", "cancelled", "paid_", "refunded_")
    list_filter = (SettlementFilter,)

    @admin.display(description="Begun, UTC")
    def begun(self, row: Settlement) -> str:
        return format_time(row.started_at)

    @admin.display(description="As")
    def as_(self, row: Settlement) -> str:
        return row.resolution.upper()

    @admin.display(description="State")
    def state(self, row: Settlement) -> SafeString:
        return status_label(settlement_status(row))

    @admin.display(description="Paid")
    def paid_(self, row: Settlement) -> str:
        return format_credits(row.paid)

    @admin.display(description="Refunded")
    def refunded_(self, row: Settlement) -> str:
        return format_credits(row.refunded)


@admin.register(SettlementFailure)
class FailureTable(MarketRelatedTable):
    """Bets that the database refused to settle, newest first."""

    list_display = ("failed", "market_link", "bet_", "user_", "error")
    list_select_related = ("market", "bet__user")

    @admin.display(description="When, UTC")
    def failed(self, row: SettlementFailure) -> str:
        return format_time(row.failed_at)

    @admin.display(description="Bet")
    def bet_(self, row: Any) -> SafeString:
        return link_to("betting_bet_change", str(row.bet), row.bet_id)

    @admin.display(description="User")
    def user_(self, row: SettlementFailure) -> str:
        return row.bet.user.username
