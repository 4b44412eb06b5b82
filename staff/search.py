"""Search over everything that has a page: the page for it, and the results of Ctrl-K.

Each group is for those who may see its pages, and is found by indexes: users by what `users_matching` knows, markets
and events by words, slug, id or address, all else by id. No group shows more than SHOWN.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from unfold.dataclasses import SearchResult

from accounts.models import Permission, User
from accounts.staff import StaffMember
from betting.models import Bet
from core.api.requests import parse_uuid
from economy.models import CreditAdjustment, CreditTransaction
from markets.models import Market, MarketEvent
from purchases.models import CreditPurchase
from staff.core.formatting import change_url, format_credits, format_minute, user_status
from staff.core.tables import staff_member
from staff.ledger import type_called
from staff.markets import events
from staff.markets.page import is_suspended
from staff.markets.table import named_market
from staff.purchases import called_by_provider
from staff.selectors import best_matches, users_matching

SHOWN = 8
TERM_MAX = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A page: what it is about, and what tells it from others that are called alike."""

    text: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Pages of one kind; `more` leads to the list of all that match, where the list can tell."""

    title: str
    icon: str
    found: Sequence[Found]
    more: str = ""


def find(term: str, *, by: StaffMember) -> list[Group]:
    """Return what has a page that this member of the staff may see, by kind, without empty kinds.

    At most a dozen statements, each by an index; more for a word that is a typo.
    """
    term = term.strip()[:TERM_MAX].replace("\x00", "")
    if not term:
        return []
    named = parse_uuid(term)
    groups = [search(term, named) for permission, search in SEARCHES if by.may(permission)]
    return [group for group in groups if group.found]


def users(term: str, named: UUID | None) -> Group:
    rows = User.objects.filter(users_matching(term, most=SHOWN)).order_by("-pk")[:SHOWN]
    found = [
        (f"{user.name} (@{user.username})", f"{user.email}, {user_status(user)}", change_url(user)) for user in rows
    ]
    return Group("Users", "person", [Found(*each) for each in found], list_of("accounts_user_changelist", term))


def markets(term: str, named: UUID | None) -> Group:
    """Return markets by id, slug or address, and else those that have the words, the best match first."""
    rows = Market.objects.only("title", "status", "category", "suspended_reason", "expires_at")
    exact = list(rows.filter(named_market(term))[:SHOWN])
    if not exact and not named:
        ids = best_matches(term, limit=SHOWN, now=timezone.now())
        by_id = rows.in_bulk(ids)
        exact = [by_id[pk] for pk in ids if pk in by_id]
    found = [Found(market.title, market_note(market), change_url(market)) for market in exact]
    return Group("Markets", "ballot", found, list_of("markets_market_changelist", term))


def market_note(market: Market) -> str:
    status = "suspended" if is_suspended(market) else market.status
    return f"{market.category}, {status}, ends {format_minute(market.expires_at)}"


def market_events(term: str, named: UUID | None) -> Group:
    rows = MarketEvent.objects.filter(events.matching(term)).order_by("-pk")[:SHOWN]
    found = [Found(event.title, event.category, change_url(event)) for event in rows]
    return Group("Events", "category", found, list_of("markets_marketevent_changelist", term))


def bets(term: str, named: UUID | None) -> Group:
    rows = of_id(Bet.objects.select_related("user", "market"), named)
    found = [
        Found(
            f"{format_credits(bet.amount)} on {bet.side.upper()}: {bet.market.title}",
            f"@{bet.user.username}, {bet.status}",
            change_url(bet),
        )
        for bet in rows
    ]
    return Group("Bets", "casino", found)


def purchases(term: str, named: UUID | None) -> Group:
    """Return purchases by id, or by what the provider calls them."""
    rows = CreditPurchase.objects.filter(Q(pk=named) if named else called_by_provider(term)).select_related("user")
    found = [
        Found(
            f"{row.package_id.capitalize()} of @{row.user.username}",
            f"${row.usd_amount:,.2f}, {row.status}",
            change_url(row),
        )
        for row in rows[:SHOWN]
    ]
    return Group("Purchases", "shopping_cart", found)


def ledger_entries(term: str, named: UUID | None) -> Group:
    """Return the entry of the id, and the entries of what has the id: a bet, a purchase, a trade, an adjustment."""
    entries = CreditTransaction.objects
    rows = entries.filter(Q(pk=named) | Q(reference_id=named)) if named else entries.none()
    found = [
        Found(
            f"{type_called(row.transaction_type)}: {format_credits(row.amount)} credits",
            f"@{row.user.username}, {format_minute(row.created_at)}",
            change_url(row),
        )
        for row in rows.select_related("user").order_by("-created_at", "-pk")[:SHOWN]
    ]
    return Group("Ledger entries", "receipt_long", found, list_of("economy_credittransaction_changelist", term))


def adjustments(term: str, named: UUID | None) -> Group:
    rows = of_id(CreditAdjustment.objects.select_related("user"), named)
    found = [
        Found(
            f"{format_credits(row.amount)} credits, @{row.user.username}",
            f"{row.status}: {row.reason}",
            change_url(row),
        )
        for row in rows
    ]
    return Group("Adjustments", "balance", found)


def of_id(rows: QuerySet[Any], named: UUID | None) -> QuerySet[Any]:
    return rows.filter(pk=named) if named else rows.none()


def list_of(page: str, term: str) -> str:
    return f"{reverse(f'admin:{page}')}?{urlencode({'q': term})}"


Search = Callable[[str, UUID | None], Group]
SEARCHES: Sequence[tuple[Permission, Search]] = (
    (Permission.VIEW_PEOPLE, users),
    (Permission.VIEW_MARKETS, markets),
    (Permission.VIEW_MARKETS, market_events),
    (Permission.VIEW_MARKETS, bets),
    (Permission.VIEW_PEOPLE, purchases),
    (Permission.VIEW_PEOPLE, ledger_entries),
    (Permission.VIEW_PEOPLE, adjustments),
)


def search_page(request: HttpRequest) -> HttpResponse:
    """Show what matches `q`; what is named exactly, by its id or an address, is gone to at once."""
    term = request.GET.get("q", "")
    groups = find(term, by=staff_member(request))
    found = [each for group in groups for each in group.found]
    if len(found) == 1 and is_exact(term.strip()):
        return redirect(found[0].url)
    context = {**admin.site.each_context(request), "title": "Search", "term": term, "groups": groups}
    return render(request, "staff/search.html", context)


def is_exact(term: str) -> bool:
    return bool(parse_uuid(term)) or term.startswith(("http://", "https://", "0x", "@")) or "@" in term


def command_results(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return the results of Ctrl-K, as Unfold's callback; it asks for the names of pages itself."""
    return list(results_of(find(term, by=staff_member(request))))


def results_of(groups: Sequence[Group]) -> Iterator[SearchResult]:
    for group in groups:
        for each in group.found:
            description = f"{group.title.removesuffix('s').lower()}, {each.note}"
            yield SearchResult(title=each.text, description=description, link=each.url, icon=group.icon)
