"""The journal, daily rewards, and referrals that nobody was paid for: to look at."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.models import Permission, User
from economy.models import Counterparty, CreditTransaction, DailyReward, TransactionType, UnpaidReferral
from markets.selectors import as_uuid
from staff.core.formatting import credits_of, label_of, link_to, moment_of
from staff.core.pages import Detail, DetailTable, Facts
from staff.core.tables import Table
from staff.people_search import one_named
from staff.recent import Recent, among_newest

Type = TransactionType
# Whose page tells what a transfer is about, and what it is called there.
PAGES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (Type.BET_PLACED, Type.BET_PAYOUT, Type.BET_REFUND, Type.POSITION_SOLD, Type.SETTLEMENT_REVERSAL),
        ("betting_bet_change", "Bet"),
    ),
    **dict.fromkeys((Type.CREDIT_PURCHASE, Type.PURCHASE_REFUND), ("purchases_creditpurchase_change", "Purchase")),
    Type.REFERRAL_BONUS: ("accounts_user_change", "New user"),
    Type.ADMIN_ADJUSTMENT: ("economy_creditadjustment_change", "Adjustment"),
}
OTHER_ENDS = {"escrow": "Bets", "house": "House (debts)", "issuance": "Given away"}


def type_called(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def counterparty_called(other_end: str) -> str:
    return OTHER_ENDS.get(other_end, other_end.capitalize())


def amount_of(row: CreditTransaction) -> str:
    """With its sign: green to the user, red from the user."""
    colour = "text-green-700 dark:text-green-400" if row.amount > 0 else "text-red-700 dark:text-red-400"
    sign = "+" if row.amount > 0 else ""
    return format_html('<span class="font-medium {}">{}{}</span>', colour, sign, credits_of(row.amount))


def about(row: CreditTransaction) -> str:
    """What it says, leading to the page of what it refers to; of trades to the user's."""
    if row.transaction_type in (Type.STOCK_PURCHASE, Type.STOCK_SALE):
        return link_to("economy_stocktransaction_changelist", row.description or "Trade", query=f"q={row.user_id}")
    page, thing = PAGES.get(row.transaction_type, ("", ""))
    text = row.description or thing or type_called(row.transaction_type)
    return link_to(page, text, row.reference_id) if page else text


def person_of(user: User) -> str:
    return link_to("accounts_user_change", f"@{user.username}", user.pk)


class OfUser(Table):
    """A table of what belongs to users, newest first: of everybody, or of one user in `order`, by an index."""

    view_permission = Permission.VIEW_PEOPLE
    list_display_links: ClassVar[Any] = None
    search_fields = ("user",)
    search_help_text = "A user's id, e-mail, username or X handle"
    ordering = ("-id",)
    order: tuple[str, ...]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (self.found(queryset, search_term.strip()) if search_term.strip() else queryset), False

    def found(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        user_id = one_named(term)
        return queryset.filter(user_id=user_id).order_by(*self.order) if user_id else queryset.none()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A row has no page but where a DetailTable makes one: Django's would show every column, as it is stored."""
        raise Http404

    @admin.display(description="User")
    def person(self, row: Any) -> str:
        return person_of(row.user)


class TypeFilter(Recent):
    title, parameter_name = "kind", "transaction_type"
    values = TransactionType.values


class CounterpartyFilter(Recent):
    title, parameter_name = "with", "counterparty"
    values = Counterparty.values


@admin.register(CreditTransaction)
class JournalTable(DetailTable, OfUser):
    """Every transfer of credits."""

    list_display = ("at", "person", "kind", "other_end", "moved", "balance", "about")
    list_display_links = ("at",)
    list_filter = (TypeFilter, CounterpartyFilter)
    list_select_related = ("user",)
    search_help_text = "A user's id, e-mail, username or X handle; or the id of a bet, purchase, trade or adjustment"
    order = ("-sequence",)

    def found(self, queryset: QuerySet[CreditTransaction], term: str) -> QuerySet[CreditTransaction]:
        named = as_uuid(term)
        if named and not User.objects.filter(pk=named).exists():
            return queryset.filter(Q(reference_id=named) | Q(pk=named))
        return super().found(queryset, term)

    @admin.display(description="When, UTC")
    def at(self, row: CreditTransaction) -> str:
        return moment_of(row.created_at)

    @admin.display(description="Kind")
    def kind(self, row: CreditTransaction) -> str:
        return type_called(row.transaction_type)

    @admin.display(description="With")
    def other_end(self, row: CreditTransaction) -> str:
        return counterparty_called(row.counterparty)

    @admin.display(description="Amount")
    def moved(self, row: CreditTransaction) -> str:
        return amount_of(row)

    @admin.display(description="Balance after")
    def balance(self, row: CreditTransaction) -> str:
        return credits_of(row.balance_after)

    @admin.display(description="About")
    def about(self, row: CreditTransaction) -> str:
        return about(row)

    def detail(self, request: HttpRequest, original: CreditTransaction) -> Detail:
        facts = {
            "User": person_of(original.user),
            "When, UTC": moment_of(original.created_at),
            "Kind": type_called(original.transaction_type),
            "With": counterparty_called(original.counterparty),
            "Amount": amount_of(original),
            "Balance after": credits_of(original.balance_after),
            "About": about(original),
            "The user's number": f"{original.sequence:,}",
            "Id": original.pk,
            "Refers to": original.reference_id,
            "Time of that, counted from 0": f"{original.occurrence:,}",
        }
        title = f"{type_called(original.transaction_type)}: {credits_of(original.amount)} credits"
        return Detail(original=original, title=title, blocks=[Facts(title="Transfer", facts=facts)])


@admin.register(DailyReward)
class RewardTable(OfUser):
    """What was given for each day."""

    list_display = ("day_", "person", "streak_", "given", "at")
    list_select_related = ("user",)
    order = ("-day",)

    @admin.display(description="Day, UTC")
    def day_(self, row: DailyReward) -> str:
        return f"{row.day:%Y-%m-%d}"

    @admin.display(description="Consecutive")
    def streak_(self, row: DailyReward) -> str:
        return f"Day {row.streak:,}"

    @admin.display(description="Credits")
    def given(self, row: DailyReward) -> str:
        return credits_of(row.credits)

    @admin.display(description="Given, UTC")
    def at(self, row: DailyReward) -> str:
        return moment_of(row.created_at)


@admin.register(UnpaidReferral)
class UnpaidReferralTable(OfUser):
    """Who farms referrals shows up here: each line is a newcomer whom the referrer wasn't paid for.

    Among the newest users; all of one referrer's are found by the referrer's name.
    """

    list_display = ("newcomer", "referrer", "state", "at")
    list_select_related = ("referred_by",)
    search_help_text = "The referrer's id, e-mail, username or X handle"
    order = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnpaidReferral]:
        everybody: QuerySet[UnpaidReferral] = super().get_queryset(request)
        return everybody if request.GET.get("q") else among_newest(everybody, of=User)

    def found(self, queryset: QuerySet[UnpaidReferral], term: str) -> QuerySet[UnpaidReferral]:
        referrer = one_named(term)
        return queryset.filter(referred_by_id=referrer).order_by(*self.order) if referrer else queryset.none()

    @admin.display(description="New user")
    def newcomer(self, row: UnpaidReferral) -> str:
        return person_of(row)

    @admin.display(description="Referred by")
    def referrer(self, row: UnpaidReferral) -> str:
        return person_of(row.referred_by) if row.referred_by else ""

    @admin.display(description="State")
    def state(self, row: UnpaidReferral) -> str:
        return label_of("active" if row.is_active else "suspended")

    @admin.display(description="Joined, UTC")
    def at(self, row: UnpaidReferral) -> str:
        return moment_of(row.created_at)
