"""Admin tables and pages of the ledger: entries, adjustments, daily rewards, unpaid referrals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from accounts.models import Permission, User
from accounts.staff import StaffMember
from betting.models import Bet
from core.api.requests import parse_uuid
from economy.adjustments import decide_adjustment, withdraw_adjustment
from economy.models import (
    Counterparty,
    CreditAdjustment,
    CreditTransaction,
    DailyReward,
    TransactionType,
    UnpaidReferral,
)
from staff.core.actions import Action, Actions, ActionTable, Confirmation
from staff.core.formatting import DASH, change_url, format_credits, format_time, link_to, status_label, user_status
from staff.core.pages import Detail, Facts
from staff.core.tables import DetailTable, Recent, Table, among_newest, staff_member
from staff.selectors import find_user_id

Type = TransactionType
# The page of what a ledger entry refers to, and what that is called.
PAGES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (Type.BET_PLACED, Type.BET_PAYOUT, Type.BET_REFUND, Type.POSITION_SOLD, Type.SETTLEMENT_REVERSAL),
        ("betting_bet_change", "Bet"),
    ),
    **dict.fromkeys((Type.CREDIT_PURCHASE, Type.PURCHASE_REFUND), ("purchases_creditpurchase_change", "Purchase")),
    Type.REFERRAL_BONUS: ("accounts_user_change", "New user"),
    Type.ADMIN_ADJUSTMENT: ("economy_creditadjustment_change", "Adjustment"),
}
COUNTERPARTIES = {"escrow": "Bets", "house": "House (debts)", "issuance": "Given away"}


def type_called(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def counterparty_called(counterparty: str) -> str:
    return COUNTERPARTIES.get(counterparty, counterparty.capitalize())


def amount_of(row: CreditTransaction) -> str:
    """Format the amount with its sign: green to the user, red from the user."""
    colour = "text-green-700 dark:text-green-400" if row.amount > 0 else "text-red-700 dark:text-red-400"
    sign = "+" if row.amount > 0 else ""
    return format_html('<span class="font-medium {}">{}{}</span>', colour, sign, format_credits(row.amount))


def add_titles(rows: Sequence[CreditTransaction]) -> None:
    """Add to the entries of bets which market they are about; one statement."""
    of_bets = {row.reference_id for row in rows if PAGES.get(row.transaction_type, ("", ""))[1] == "Bet"}
    titles = dict(Bet.objects.filter(pk__in=of_bets).values_list("pk", "market__title"))
    for row in rows:
        row.market_title = titles.get(row.reference_id, "")  # type: ignore[attr-defined]


def about(row: CreditTransaction) -> str:
    """Return the description, as a link to what the entry refers to; for trades, to the user's trades.

    Of a bet's entry also the market, where `add_titles` added it.
    """
    if row.transaction_type in (Type.STOCK_PURCHASE, Type.STOCK_SALE):
        return link_to("economy_stocktransaction_changelist", row.description or "Trade", query=f"q={row.user_id}")
    page, thing = PAGES.get(row.transaction_type, ("", ""))
    text = row.description or thing or type_called(row.transaction_type)
    if title := getattr(row, "market_title", ""):
        text = f"{text}: {title}"
    return link_to(page, text, row.reference_id) if page else text


def link_to_user(user: User) -> str:
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
        user_id = find_user_id(term)
        return queryset.filter(user_id=user_id).order_by(*self.order) if user_id else queryset.none()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Raise Http404 unless a DetailTable makes the page: Django's would show every column, as it is stored."""
        raise Http404

    @admin.display(description="User")
    def person(self, row: Any) -> str:
        return link_to_user(row.user)


class TypeFilter(Recent):
    title, parameter_name = "kind", "transaction_type"
    values = TransactionType.values


class CounterpartyFilter(Recent):
    title, parameter_name = "counterparty", "counterparty"
    values = Counterparty.values


@admin.register(CreditTransaction)
class LedgerTable(DetailTable, OfUser):
    """Ledger entries, newest first."""

    list_display = ("at", "person", "kind", "counterparty_", "moved", "balance", "about")
    list_display_links = ("at",)
    list_filter = (TypeFilter, CounterpartyFilter)
    list_select_related = ("user",)
    search_help_text = "A user's id, e-mail, username or X handle; or the id of a bet, purchase, trade or adjustment"
    order = ("-sequence",)

    def found(self, queryset: QuerySet[CreditTransaction], term: str) -> QuerySet[CreditTransaction]:
        named = parse_uuid(term)
        if named and not User.objects.filter(pk=named).exists():
            return queryset.filter(Q(reference_id=named) | Q(pk=named))
        return super().found(queryset, term)

    def describe(self, rows: Sequence[CreditTransaction]) -> None:
        add_titles(rows)

    @admin.display(description="When, UTC")
    def at(self, row: CreditTransaction) -> str:
        return format_time(row.created_at)

    @admin.display(description="Kind")
    def kind(self, row: CreditTransaction) -> str:
        return type_called(row.transaction_type)

    @admin.display(description="Counterparty")
    def counterparty_(self, row: CreditTransaction) -> str:
        return counterparty_called(row.counterparty)

    @admin.display(description="Amount")
    def moved(self, row: CreditTransaction) -> str:
        return amount_of(row)

    @admin.display(description="Balance after")
    def balance(self, row: CreditTransaction) -> str:
        return format_credits(row.balance_after)

    @admin.display(description="About")
    def about(self, row: CreditTransaction) -> str:
        return about(row)

    def detail(self, request: HttpRequest, original: CreditTransaction) -> Detail:
        add_titles([original])
        facts = {
            "User": link_to_user(original.user),
            "When, UTC": format_time(original.created_at),
            "Kind": type_called(original.transaction_type),
            "Counterparty": counterparty_called(original.counterparty),
            "Amount": amount_of(original),
            "Balance after": format_credits(original.balance_after),
            "About": about(original),
            "Number among the user's entries": f"{original.sequence:,}",
            "Id": original.pk,
            "Refers to": original.reference_id,
            "Occurrence (0 is the first for this reference)": f"{original.occurrence:,}",
        }
        title = f"{type_called(original.transaction_type)}: {format_credits(original.amount)} credits"
        return Detail(original=original, title=title, blocks=[Facts(title="Ledger entry", facts=facts)])


@admin.register(DailyReward)
class RewardTable(OfUser):
    """Daily rewards, newest first."""

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
        return format_credits(row.credits)

    @admin.display(description="Given, UTC")
    def at(self, row: DailyReward) -> str:
        return format_time(row.created_at)


@admin.register(UnpaidReferral)
class UnpaidReferralTable(OfUser):
    """Users whose referrer wasn't paid for them, which shows who farms referrals.

    Among the newest users; all of one referrer's are found by the referrer's name.
    """

    list_display = ("newcomer", "referrer", "state", "verified", "at")
    list_select_related = ("referred_by",)
    search_help_text = "The referrer's id, e-mail, username or X handle"
    order = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnpaidReferral]:
        everybody: QuerySet[UnpaidReferral] = super().get_queryset(request)
        return everybody if request.GET.get("q") else among_newest(everybody, of=User)

    def found(self, queryset: QuerySet[UnpaidReferral], term: str) -> QuerySet[UnpaidReferral]:
        referrer = find_user_id(term)
        return queryset.filter(referred_by_id=referrer).order_by(*self.order) if referrer else queryset.none()

    @admin.display(description="New user")
    def newcomer(self, row: UnpaidReferral) -> str:
        return link_to_user(row)

    @admin.display(description="Referred by")
    def referrer(self, row: UnpaidReferral) -> str:
        return link_to_user(row.referred_by) if row.referred_by else ""

    @admin.display(description="State")
    def state(self, row: UnpaidReferral) -> str:
        return status_label(user_status(row))

    @admin.display(description="Verified, UTC")
    def verified(self, row: UnpaidReferral) -> str:
        return format_time(row.email_verified_at, otherwise="Not yet")

    @admin.display(description="Joined, UTC")
    def at(self, row: UnpaidReferral) -> str:
        return format_time(row.created_at)


PENDING = CreditAdjustment.Status.PENDING


class StatusFilter(Recent):
    """Filters by status; those that wait are few, and have an index of their own."""

    title, parameter_name = "status", "status"
    values = CreditAdjustment.Status.values

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=PENDING) if self.value() == PENDING else super().queryset(request, queryset)


def refusal_to_decide(adjustment: CreditAdjustment, by: StaffMember) -> str:
    """Return why this member of the staff can't be the second to decide; empty where they can."""
    someone_else = by.user is not None and by.user.pk not in {adjustment.requested_by_id, adjustment.user_id}
    is_open = adjustment.status == PENDING and someone_else
    return "" if is_open else "This isn't for you to decide, or is decided already."


def deciding(button: str, *, approve: bool) -> Callable[[CreditAdjustment, StaffMember], Confirmation]:
    def page(adjustment: CreditAdjustment, by: StaffMember) -> Confirmation:
        user = adjustment.user

        def act(data: Mapping[str, Any]) -> str:
            decide_adjustment(
                adjustment_id=adjustment.pk, approve=approve, by=by, reason=data["reason"], now=timezone.now()
            )
            return f"Approved: {moves(adjustment)}." if approve else "Declined: nothing moved."

        return Confirmation(
            title=f"{button}: {moves(adjustment)}",
            button=button,
            back=change_url(adjustment),
            act=act,
            facts={
                "Requested by": name_of(adjustment.requested_by),
                "Because": adjustment.reason,
                "Balance": format_credits(user.credit_balance),
                "Available": format_credits(user.available_credits),
            },
        )

    return page


def refusal_to_withdraw(adjustment: CreditAdjustment, by: StaffMember) -> str:
    """Return why this member of the staff can't take it back; empty where they asked for it and nobody decided."""
    asked = by.user is not None and by.user.pk == adjustment.requested_by_id
    return "" if asked and adjustment.status == PENDING else "This isn't yours to withdraw, or is decided already."


def withdrawing(adjustment: CreditAdjustment, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        withdraw_adjustment(adjustment_id=adjustment.pk, by=by, reason=data["reason"], now=timezone.now())
        return "Withdrawn: nothing moved."

    return Confirmation(
        title=f"Withdraw: {moves(adjustment)}",
        button="Withdraw it",
        back=change_url(adjustment),
        act=act,
        facts={"You asked for it because": adjustment.reason},
    )


ADJUSTMENT_ACTIONS = Actions(
    url_name="economy_creditadjustment_decide",
    url_path="<uuid:object_id>/decide/<slug:name>/",
    by_name={
        "approve": Action(
            button="Approve",
            permission=Permission.ADJUST_CREDITS,
            page=deciding("Approve", approve=True),
            refusal=refusal_to_decide,
            variant="primary",
        ),
        "decline": Action(
            button="Decline",
            permission=Permission.ADJUST_CREDITS,
            page=deciding("Decline", approve=False),
            refusal=refusal_to_decide,
        ),
        "withdraw": Action(
            button="Withdraw", permission=Permission.ADJUST_CREDITS, page=withdrawing, refusal=refusal_to_withdraw
        ),
    },
)


@admin.register(CreditAdjustment)
class AdjustmentTable(ActionTable, OfUser):
    """Adjustments, newest first."""

    staff_actions = ADJUSTMENT_ACTIONS
    list_display = ("at", "person", "moves", "state", "requester", "decider", "why")
    list_display_links = ("at",)
    list_filter = (StatusFilter,)
    list_select_related = ("user", "requested_by", "decided_by")
    order = ("-id",)

    @admin.display(description="Requested, UTC")
    def at(self, row: CreditAdjustment) -> str:
        return format_time(row.created_at)

    @admin.display(description="Credits")
    def moves(self, row: CreditAdjustment) -> str:
        return format_credits(row.amount)

    @admin.display(description="State")
    def state(self, row: CreditAdjustment) -> str:
        return status_label(adjustment_status(row))

    @admin.display(description="Requested by")
    def requester(self, row: CreditAdjustment) -> str:
        return name_of(row.requested_by)

    @admin.display(description="Decided by")
    def decider(self, row: CreditAdjustment) -> str:
        return row.decided_by.username if row.decided_by else DASH

    @admin.display(description="Why")
    def why(self, row: CreditAdjustment) -> str:
        return row.reason

    def detail(self, request: HttpRequest, original: CreditAdjustment) -> Detail:
        return adjustment_page(original, by=staff_member(request))


def adjustment_status(adjustment: CreditAdjustment) -> str:
    return "withdrawn" if adjustment.is_withdrawn else adjustment.status


def moves(adjustment: CreditAdjustment) -> str:
    verb = "give" if adjustment.amount > 0 else "take"
    towards = "to" if adjustment.amount > 0 else "from"
    return f"{verb} {format_credits(abs(adjustment.amount))} credits {towards} @{adjustment.user.username}"


def name_of(user: User | None) -> str:
    return user.username if user else "Command line"


def adjustment_page(adjustment: CreditAdjustment, *, by: StaffMember) -> Detail:
    facts = {
        "User": link_to_user(adjustment.user),
        "Credits": format_credits(adjustment.amount),
        "Requested by": name_of(adjustment.requested_by),
        "Requested, UTC": format_time(adjustment.created_at),
    }
    blocks = [Facts(title="Request", facts=facts, text=adjustment.reason)]
    if adjustment.decided_by:
        decided = {"By": name_of(adjustment.decided_by), "When, UTC": format_time(adjustment.decided_at)}
        blocks.append(Facts(title="Decision", facts=decided, text=adjustment.decision_reason))
    return Detail(
        original=adjustment,
        title=moves(adjustment).capitalize(),
        subtitle=status_label(adjustment_status(adjustment)),
        notice="Nothing moves until a second of the staff approves it." if adjustment.status == PENDING else "",
        actions=ADJUSTMENT_ACTIONS.links(adjustment, by=by),
        blocks=blocks,
    )
