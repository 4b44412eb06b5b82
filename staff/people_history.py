"""Of a user's page: the journal, and what it is about."""

from typing import Any

from django.urls import reverse

from accounts.models import User
from betting.models import Bet
from economy.models import CreditAdjustment, CreditTransaction, DailyReward
from economy.selectors import SEQUENCE_MAX
from economy.stocks.models import StockHolding
from economy.stocks.pricing import Position, value
from purchases.models import CreditPurchase
from staff.core.formatting import DASH, credits_of, label_of, link_to, moment_of, page_of
from staff.core.pages import Link, Rows
from staff.ledger import about, amount_of, counterparty_called, type_called

SHOWN = 10
JOURNAL_PAGE = 25
OF_MARKETS = ("market__search", "market__upstream_facts", "market__description", "market__tags")


def journal(user: User, *, before: str | None) -> Rows:
    """Newest first, from below the sequence number `before`: a page costs the same however deep it is."""
    start = int(before) if before and before.isascii() and before.isdigit() else SEQUENCE_MAX
    rows = CreditTransaction.objects.filter(user=user, sequence__lt=min(start, SEQUENCE_MAX)).order_by("-sequence")
    found = list(rows[: JOURNAL_PAGE + 1])
    shown = found[:JOURNAL_PAGE]
    older = f"{page_of(user)}?before={shown[-1].sequence}#journal" if len(found) > len(shown) else ""
    return Rows(
        name="journal",
        title="Journal",
        columns=("No.", "When, UTC", "Kind", "With", "Amount", "Balance after", "About"),
        rows=[
            (
                f"{row.sequence:,}",
                moment_of(row.created_at),
                type_called(row.transaction_type),
                counterparty_called(row.counterparty),
                amount_of(row),
                credits_of(row.balance_after),
                about(row),
            )
            for row in shown
        ],
        none="Nothing moved yet.",
        more=Link("Older", older) if older else None,
        back=Link("Newest", f"{page_of(user)}#journal") if start != SEQUENCE_MAX else None,
    )


def open_bets(user: User) -> Rows:
    bets = Bet.objects.filter(user=user, status=Bet.Status.PENDING).select_related("market").defer(*OF_MARKETS)
    return Rows(
        title="Open bets",
        columns=("Market", "Side", "At stake", "Odds", "Would pay", "Placed, UTC"),
        rows=[
            (
                link_to("betting_bet_change", bet.market.title, bet.pk),
                label_of(bet.side),
                credits_of(bet.amount - bet.sold_amount),
                f"{bet.odds_at_bet * 100:.2f}%",
                credits_of(bet.potential_payout),
                moment_of(bet.placed_at),
            )
            for bet in bets.order_by("-id")[:SHOWN]
        ],
        more=Link("All bets", f"{reverse('admin:betting_bet_changelist')}?q={user.pk}"),
    )


def holdings(user: User) -> Rows:
    rows = StockHolding.objects.filter(user=user).select_related("stock").order_by("stock__symbol")
    return Rows(
        title="Stocks",
        columns=("Stock", "Shares", "Leverage", "Invested", "Worth now"),
        rows=[
            (
                f"{row.stock.name} ({row.stock.symbol})",
                f"{row.shares.normalize():,f}",
                f"{row.leverage}x",
                credits_of(row.invested),
                credits_of(
                    value(Position(row.shares, row.invested, row.exact_cost, row.leverage), row.stock.current_price)
                ),
            )
            for row in rows
        ],
    )


def rewards(user: User) -> Rows:
    rows = DailyReward.objects.filter(user=user).order_by("-day")
    return Rows(
        title="Daily rewards",
        columns=("Day, UTC", "Consecutive", "Credits"),
        rows=[(f"{row.day:%Y-%m-%d}", f"Day {row.streak:,}", credits_of(row.credits)) for row in rows[:SHOWN]],
        more=all_of("economy_dailyreward_changelist", user),
    )


def purchases(user: User) -> Rows:
    rows = CreditPurchase.objects.filter(user=user).order_by("-created_at", "-id")
    return Rows(
        title="Purchases",
        columns=("Package", "State", "Credits", "US dollars", "By", "Begun, UTC"),
        rows=[
            (
                link_to("purchases_creditpurchase_change", row.package_id.capitalize(), row.pk),
                label_of(row.status),
                credits_of(row.credits),
                f"${row.usd_amount:,.2f}",
                row.provider.capitalize(),
                moment_of(row.created_at),
            )
            for row in rows[:SHOWN]
        ],
        more=all_of("purchases_creditpurchase_changelist", user),
    )


def adjustments(user: User) -> Rows:
    rows = CreditAdjustment.objects.filter(user=user).select_related("requested_by", "decided_by").order_by("-id")
    return Rows(
        title="Given and taken by staff",
        columns=("Asked, UTC", "Credits", "State", "Asked by", "Decided by", "Why"),
        rows=[
            (
                link_to("economy_creditadjustment_change", moment_of(row.created_at), row.pk),
                credits_of(row.amount),
                label_of(row.status),
                row.requested_by.username if row.requested_by else "Command line",
                row.decided_by.username if row.decided_by else DASH,
                row.reason,
            )
            for row in rows[:SHOWN]
        ],
        more=all_of("economy_creditadjustment_changelist", user),
    )


def referred(user: User) -> Rows:
    newest = User.objects.filter(referred_by=user).order_by("-created_at", "-pk")
    return Rows(
        title="People who came with this user's code",
        columns=("User", "State", "Joined, UTC"),
        rows=[
            (
                link_to("accounts_user_change", f"@{row.username}", row.pk),
                label_of("active" if row.is_active else "suspended"),
                moment_of(row.created_at),
            )
            for row in newest.only("username", "is_active", "created_at")[:SHOWN]
        ],
    )


def all_of(page: str, user: Any) -> Link:
    return Link("All of them", f"{reverse(f'admin:{page}')}?q={user.pk}")
