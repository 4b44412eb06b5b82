"""The page of a user: the account, and every part of the balance."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join

from accounts.models import Mail, User
from accounts.providers.connections import list_connections
from accounts.providers.protocol import PROVIDERS
from accounts.sessions import list_sessions
from accounts.staff import StaffMember
from betting.models import Bet
from core.api.errors import recent_refusals
from economy.models import CreditAdjustment, CreditTransaction, DailyReward
from economy.selectors import SEQUENCE_MAX, SUMMARY_MAX, get_closing_balances, get_debt, summarize_entries
from economy.stocks.models import StockHolding
from economy.stocks.valuation import Position, value
from notifications.messages import render
from notifications.models import Notification
from purchases.models import CreditPurchase
from staff.action_log import done_to, notes_on
from staff.core.formatting import DASH, change_url, format_credits, format_time, link_to, status_label, user_status
from staff.core.pages import PRIMARY, Block, ChartBlock, Detail, Facts, Link, Rows, chart, line, names, numbers, options
from staff.ledger import about, add_titles, adjustment_status, amount_of, counterparty_called, type_called
from staff.users.actions import USER_ACTIONS

DAYS = 30
# How many of the newest ledger entries are read for the balance chart; where a month has more, the chart begins later.
DRAWN = 2_000


def user_page(user: User, *, by: StaffMember, before: str | None) -> Detail:
    """Return the page; it takes the same number of statements whatever there is to show.

    `before`: show the ledger entries below this sequence number.
    """
    now = timezone.now()
    debt = get_debt(user.pk)
    waiting = CreditAdjustment.objects.filter(user=user, status=CreditAdjustment.Status.PENDING).exists()
    blocks: list[Block] = [
        credit_facts(user, debt),
        balance_chart(user, now=now),
        made_of(user),
        ledger_entries(user, before=before),
        open_bets(user),
        holdings(user),
        rewards(user),
        purchases(user),
        adjustments(user),
        notifications(user),
        referred(user),
        account(user),
        linked_accounts(user),
        sessions(user, now=now),
        mails(user),
        refusals(user),
        done_to(user),
        *([notes] if (notes := notes_on(user)).rows else []),
    ]
    return Detail(
        original=user,
        title=user.name,
        subtitle=labels(user),
        notice=notice(user, debt, waiting=waiting),
        actions=USER_ACTIONS.links(user, by=by),
        blocks=blocks,
    )


def labels(user: User) -> str:
    shown = [user_status(user)]
    shown += ["superuser" if user.is_superuser else "staff"] if user.is_staff else []
    roles = [group.name for group in user.groups.all()]
    return format_html_join(" ", "{}", ((status_label(word),) for word in [*shown, *roles]))


def notice(user: User, debt: Decimal, *, waiting: bool) -> str:
    said = [
        f"Deleted by the user: is erased after {format_time(user.deletion_due_at)} UTC." if user.is_leaving else "",
        f"Owes the house {format_credits(debt)} credits: the next credits repay them first." if debt else "",
        "An adjustment waits for a second of the staff." if waiting else "",
    ]
    return " ".join(sentence for sentence in said if sentence)


def credit_facts(user: User, debt: Decimal) -> Facts:
    return Facts(
        title="Credits",
        facts={
            "Balance": format_credits(user.credit_balance),
            "Available": format_credits(user.available_credits),
            "On hold": format_credits(user.held_credits),
            "Owed to the house": format_credits(debt),
            "Stake in open bets": format_credits(user.locked_credits),
            "Realized profit": format_credits(user.overall_pnl),
            "Staked on markets in all": format_credits(user.total_volume),
            "Spent on bets and stocks in all": format_credits(user.expended_credits),
        },
    )


def balance_chart(user: User, *, now: datetime) -> ChartBlock:
    """Return the chart of balances by day, from the first known; a day without entries ends as the one before."""
    closing = get_closing_balances(user.pk, rows=DRAWN)
    today = now.date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    earlier = [day for day in closing if day < days[0]]
    known = closing[max(earlier)] if earlier else None
    balances: list[Any] = []
    for day in days:
        known = closing.get(day, known)
        balances.append(known)
    drawn = line("Balance", balances, PRIMARY)
    return ChartBlock(
        chart(
            "balance",
            f"Balance at each day's end, {DAYS} days",
            "line",
            [f"{day.day} {day:%b}" for day in days],
            [drawn],
            options=options(names(), numbers("credits"), legend=False),
            words=f"{format_credits(user.credit_balance)} credits today",
        )
    )


def made_of(user: User) -> Rows:
    title, columns = "What the balance is made of", ("Kind", "Counterparty", "Entries", "Credits")
    if user.journal_length > SUMMARY_MAX:
        none = f"More than {SUMMARY_MAX:,} entries: too many to add up here."
        return Rows(title=title, columns=columns, rows=[], none=none)
    parts = summarize_entries(user.pk)
    rows: list[Any] = [
        (type_called(transaction_type), counterparty_called(counterparty), f"{count:,}", format_credits(total))
        for transaction_type, counterparty, count, total in parts
    ]
    total = sum((part[3] for part in parts), Decimal(0))
    rows += [("Balance", "", f"{user.journal_length:,}", format_credits(total))] if parts else []
    return Rows(title=title, columns=columns, rows=rows, none="Nothing moved yet.")


def account(user: User) -> Facts:
    return Facts(
        title="Account",
        facts={
            "Username": f"@{user.username}",
            "E-mail": user.email,
            "Verified, UTC": format_time(user.email_verified_at, otherwise="Not yet"),
            "New e-mail, to be verified": user.pending_email or DASH,
            "Deleted, to be erased, UTC": format_time(user.deletion_due_at, otherwise="No"),
            "X handle": f"@{user.x_username}" if user.x_username else DASH,
            "Id": user.pk,
            "Joined, UTC": format_time(user.created_at),
            "Last signed in, UTC": format_time(user.last_login_at, otherwise="Never"),
            "Last active, UTC": format_time(user.last_active_at, otherwise="Never"),
            "Consecutive days": f"{user.consecutive_days_online:,}",
            "Referral code": user.referral_code,
            "Referred by": link_to_user(user.referred_by),
            "Has referred": f"{user.referral_count:,}",
            "Earned by referrals": format_credits(user.referral_credits_earned),
        },
        text=user.bio,
    )


def link_to_user(user: User | None) -> str:
    return link_to("accounts_user_change", f"@{user.username}", user.pk) if user else DASH


SHOWN = 10
LEDGER_PAGE = 25
OF_MARKETS = ("market__search", "market__upstream_facts", "market__description", "market__tags")


def ledger_entries(user: User, *, before: str | None) -> Rows:
    """Return the newest entries below the sequence number `before`: a page costs the same however deep it is."""
    start = int(before) if before and before.isascii() and before.isdigit() else SEQUENCE_MAX
    rows = CreditTransaction.objects.filter(user=user, sequence__lt=min(start, SEQUENCE_MAX)).order_by("-sequence")
    found = list(rows[: LEDGER_PAGE + 1])
    shown = found[:LEDGER_PAGE]
    add_titles(shown)
    older = f"{change_url(user)}?before={shown[-1].sequence}#ledger" if len(found) > len(shown) else ""
    return Rows(
        name="ledger",
        title="Ledger entries",
        columns=("No.", "When, UTC", "Kind", "Counterparty", "Amount", "Balance after", "About"),
        rows=[
            (
                f"{row.sequence:,}",
                format_time(row.created_at),
                type_called(row.transaction_type),
                counterparty_called(row.counterparty),
                amount_of(row),
                format_credits(row.balance_after),
                about(row),
            )
            for row in shown
        ],
        none="Nothing moved yet.",
        more=Link("Older", older) if older else None,
        back=Link("Newest", f"{change_url(user)}#ledger") if start != SEQUENCE_MAX else None,
    )


def open_bets(user: User) -> Rows:
    bets = Bet.objects.filter(user=user, status=Bet.Status.PENDING).select_related("market").defer(*OF_MARKETS)
    return Rows(
        title="Open bets",
        columns=("Market", "Side", "Stake", "Odds", "Would pay", "Placed, UTC"),
        rows=[
            (
                link_to("betting_bet_change", bet.market.title, bet.pk),
                status_label(bet.side),
                format_credits(bet.amount - bet.sold_amount),
                f"{bet.odds_at_bet * 100:.2f}%",
                format_credits(bet.shares),
                format_time(bet.placed_at),
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
                format_credits(row.invested),
                format_credits(
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
        rows=[(f"{row.day:%Y-%m-%d}", f"Day {row.streak:,}", format_credits(row.credits)) for row in rows[:SHOWN]],
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
                status_label(row.status),
                format_credits(row.credits),
                f"${row.usd_amount:,.2f}",
                row.provider.capitalize(),
                format_time(row.created_at),
            )
            for row in rows[:SHOWN]
        ],
        more=all_of("purchases_creditpurchase_changelist", user),
    )


def adjustments(user: User) -> Rows:
    rows = CreditAdjustment.objects.filter(user=user).select_related("requested_by", "decided_by").order_by("-id")
    return Rows(
        title="Adjustments by staff",
        columns=("Requested, UTC", "Credits", "State", "Requested by", "Decided by", "Why"),
        rows=[
            (
                link_to("economy_creditadjustment_change", format_time(row.created_at), row.pk),
                format_credits(row.amount),
                status_label(adjustment_status(row)),
                row.requested_by.username if row.requested_by else "Command line",
                row.decided_by.username if row.decided_by else DASH,
                row.reason,
            )
            for row in rows[:SHOWN]
        ],
        more=all_of("economy_creditadjustment_changelist", user),
    )


def notifications(user: User) -> Rows:
    """Return the newest, by their numbers. How many are unread is the user's count: announcements aren't among them."""
    newest = Notification.objects.filter(user=user).order_by("-sequence")
    return Rows(
        title=f"Notifications ({user.unread_notifications:,} unread)",
        columns=("No.", "When, UTC", "Kind", "Title", "Read, UTC"),
        rows=[
            (
                f"{row.sequence:,}",
                format_time(row.created_at),
                row.get_type_display(),
                render(row.type, row.data).title,
                "With all" if row.read_at is None and is_read(row, user) else format_time(row.read_at, otherwise=DASH),
            )
            for row in newest[:SHOWN]
        ],
        none="None.",
    )


def is_read(notification: Notification, user: User) -> bool:
    return notification.sequence <= user.notifications_read_through


def referred(user: User) -> Rows:
    newest = User.objects.filter(referred_by=user).order_by("-created_at", "-pk")
    return Rows(
        title="Users referred by this user",
        columns=("User", "State", "Joined, UTC"),
        rows=[
            (
                link_to("accounts_user_change", f"@{row.username}", row.pk),
                status_label(user_status(row)),
                format_time(row.created_at),
            )
            for row in newest.only("username", "is_active", "deletion_due_at", "erased_at", "created_at")[:SHOWN]
        ],
    )


def all_of(page: str, user: Any) -> Link:
    return Link("All of them", f"{reverse(f'admin:{page}')}?q={user.pk}")


MAX_LETTERS = 60


def sessions(user: User, *, now: datetime) -> Rows:
    """Return one line a session, the last refreshed first."""
    return Rows(
        title="Signed in",
        columns=("Since, UTC", "Last refreshed, UTC", "Address", "Browser", "Until, UTC"),
        rows=[
            (
                format_time(token.signed_in_at),
                format_time(token.created_at),
                token.ip or DASH,
                token.user_agent[:MAX_LETTERS] or DASH,
                format_time(token.expires_at),
            )
            for token in list_sessions(user.pk, now=now)[:SHOWN]
        ],
        none="Nowhere.",
    )


def linked_accounts(user: User) -> Rows:
    """Return the accounts that the user signs in with, as their providers last described them."""
    return Rows(
        title="Linked accounts",
        columns=("Provider", "Account there", "Name", "E-mail", "Linked, UTC", "Last used, UTC"),
        rows=[
            (
                PROVIDERS[account.provider].title,
                f"@{account.username}" if account.username else account.provider_account_id,
                account.name or DASH,
                f"{account.email}{'' if account.email_verified else ' (not verified)'}" if account.email else DASH,
                format_time(account.linked_at),
                format_time(account.last_used_at),
            )
            for account in list_connections(user.pk)
        ],
        none="None.",
    )


def mails(user: User) -> Rows:
    rows = Mail.objects.filter(user=user).order_by("-created_at")
    return Rows(
        title="Mails",
        columns=("Asked for, UTC", "Kind", "To", "State", "Sent, UTC", "Attempts", "Last failure"),
        rows=[
            (
                format_time(row.created_at),
                row.kind.replace("_", " ").capitalize(),
                row.address,
                status_label(row.status),
                format_time(row.sent_at),
                row.attempts,
                row.error or DASH,
            )
            for row in rows[:SHOWN]
        ],
        none="None.",
    )


def refusals(user: User) -> Rows:
    """Return the user's last refused requests, newest first; from the cache, so it takes no statement."""
    return Rows(
        title="Refused requests",
        columns=("When, UTC", "Code", "Status", "Request", "Request id"),
        rows=[
            (
                format_time(row["at"]),
                row["code"],
                row["status"],
                f"{row['method']} {row['path']}",
                row["requestId"] or DASH,
            )
            for row in recent_refusals(user.pk)
        ],
        none="None.",
    )
