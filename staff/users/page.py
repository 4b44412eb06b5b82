"""A user's page: who it is, and why the balance is what it is."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import format_html_join

from accounts.models import User
from accounts.staff import StaffMember
from economy.models import CreditAdjustment
from economy.selectors import SUMMARY_MAX, closing_balances, debt_of, origins
from staff.core.formatting import DASH, credits_of, label_of, link_to, moment_of
from staff.core.pages import Block, Detail, Facts, Link, Picture, Rows
from staff.dashboard_charts import PRIMARY, chart, line, names, numbers, options
from staff.ledger import counterparty_called, type_called
from staff.people_history import adjustments, holdings, journal, open_bets, purchases, referred, rewards
from staff.people_search import state_of
from staff.people_sessions import sessions
from staff.staff_actions import done_to
from staff.users.actions import ACTIONS, address_of

DAYS = 30
# So many of the newest transfers are read for the picture; where a month has more it begins later.
DRAWN = 2_000


def person_page(user: User, *, by: StaffMember, before: str | None) -> Detail:
    """The same number of statements, whatever there is to show. `before`: the journal's page, by a sequence number."""
    now = timezone.now()
    debt = debt_of(user.pk)
    waiting = CreditAdjustment.objects.filter(user=user, status=CreditAdjustment.Status.PENDING).exists()
    blocks: list[Block] = [
        credits_figures(user, debt),
        picture(user, now=now),
        made_of(user),
        journal(user, before=before),
        open_bets(user),
        holdings(user),
        rewards(user),
        purchases(user),
        adjustments(user),
        referred(user),
        account(user),
        sessions(user, now=now),
        done_to(user),
    ]
    return Detail(
        original=user,
        title=user.name,
        subtitle=labels(user),
        notice=notice(debt, waiting=waiting),
        actions=[
            Link(action.button, address_of(user, name), action.variant)
            for name, action in ACTIONS.items()
            if action.allowed(by) and not action.refusal(user, by)
        ],
        blocks=blocks,
    )


def labels(user: User) -> str:
    shown = [state_of(user)]
    shown += ["superuser" if user.is_superuser else "staff"] if user.is_staff else []
    roles = [group.name for group in user.groups.all()]
    return format_html_join(" ", "{}", ((label_of(word),) for word in [*shown, *roles]))


def notice(debt: Decimal, *, waiting: bool) -> str:
    said = [
        f"Owes the house {credits_of(debt)} credits: the next credits repay them first." if debt else "",
        "An adjustment waits for a second of the staff." if waiting else "",
    ]
    return " ".join(sentence for sentence in said if sentence)


def credits_figures(user: User, debt: Decimal) -> Facts:
    return Facts(
        title="Credits",
        facts={
            "Balance": credits_of(user.credit_balance),
            "Available": credits_of(user.available_credits),
            "On hold": credits_of(user.held_credits),
            "Owed to the house": credits_of(debt),
            "At stake in open bets": credits_of(user.locked_credits),
            "Realized profit": credits_of(user.overall_pnl),
            "Staked on markets in all": credits_of(user.total_volume),
            "Spent on bets and stocks in all": credits_of(user.expended_credits),
        },
    )


def picture(user: User, *, now: datetime) -> Picture:
    """Days in which nothing moved end as the day before; before the first one that is known nothing is drawn."""
    closing = closing_balances(user.pk, rows=DRAWN)
    today = now.date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    earlier = [day for day in closing if day < days[0]]
    known = closing[max(earlier)] if earlier else None
    balances: list[Any] = []
    for day in days:
        known = closing.get(day, known)
        balances.append(known)
    drawn = line("Balance", balances, PRIMARY)
    return Picture(
        chart(
            "balance",
            f"Balance at each day's end, {DAYS} days",
            "line",
            [f"{day.day} {day:%b}" for day in days],
            [drawn],
            options=options(names(), numbers("credits"), legend=False),
            words=f"{credits_of(user.credit_balance)} credits today",
        )
    )


def made_of(user: User) -> Rows:
    title, columns = "What the balance is made of", ("Kind", "With", "Transfers", "Credits")
    if user.journal_length > SUMMARY_MAX:
        none = f"More than {SUMMARY_MAX:,} transfers: too many to add up here."
        return Rows(title=title, columns=columns, rows=[], none=none)
    parts = origins(user.pk)
    rows: list[Any] = [
        (type_called(kind), counterparty_called(other_end), f"{count:,}", credits_of(total))
        for kind, other_end, count, total in parts
    ]
    total = sum((part[3] for part in parts), Decimal(0))
    rows += [("Balance", "", f"{user.journal_length:,}", credits_of(total))] if parts else []
    return Rows(title=title, columns=columns, rows=rows, none="Nothing moved yet.")


def account(user: User) -> Facts:
    return Facts(
        title="Account",
        facts={
            "Username": f"@{user.username}",
            "E-mail": user.email,
            "X handle": f"@{user.x_username}" if user.x_username else DASH,
            "Id": user.pk,
            "Joined, UTC": moment_of(user.created_at),
            "Last signed in, UTC": moment_of(user.last_login_at, otherwise="Never"),
            "Last active, UTC": moment_of(user.last_active_at, otherwise="Never"),
            "Consecutive days": f"{user.consecutive_days_online:,}",
            "Referral code": user.referral_code,
            "Referred by": person(user.referred_by),
            "Has referred": f"{user.referral_count:,}",
            "Earned by referrals": credits_of(user.referral_credits_earned),
        },
        text=user.bio,
    )


def person(user: User | None) -> str:
    return link_to("accounts_user_change", f"@{user.username}", user.pk) if user else DASH
