"""A month of users who sign up, bet, sell, trade, buy credits and are paid: through the services, the same each time.

For developers: pages have something to show. It takes some seconds. What an earlier run made is left alone.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import User
from accounts.registration import register
from accounts.services import sign_in
from accounts.staff import COMMAND_LINE
from accounts.tokens import Client
from betting.errors import SlippageTooHigh
from betting.makers import open_lmsr_market
from betting.models import Bet, Settlement
from betting.orders import Sale, get_market_snapshot, validate_order
from betting.pricing import price_order, price_sale
from betting.services import place_bet, sell_bet
from betting.settlement import settle_market
from core.api.errors import DomainError
from core.db.transactions import run_transaction
from devtools.management.commands.dev import bring_database_up_to_date, own_url
from economy.errors import InsufficientCredits
from economy.models import CreditTransaction
from economy.rewards import claim_daily_reward
from economy.stocks.models import Stock
from economy.stocks.prices import seed_stocks
from economy.stocks.trading import buy_shares
from economy.tasks import audit_ledger
from leaderboard.tasks import update
from markets.house import Question, create_house_market
from markets.models import Market
from markets.resolution.staff import resolve_market
from purchases.services import buy, prepare_purchase
from staff.tasks import count_days

DAYS = 30
NAMES = (
    *("Ada Byron", "Alan Mathison", "Grace Murray", "Edsger Wybe", "Barbara Liskov", "Tony Hoare", "Radia Joy"),
    *("Donald Ervin", "Frances Elizabeth", "John Backus", "Karen Boalch", "Leslie Barry", "Margaret Heafield"),
    *("Niklaus Emil", "Adele Goldberg", "Robin Milner", "Shafi Goldwasser", "Peter Naur", "Jean Bartik", "Ole Johan"),
)
QUESTIONS = (
    ("Will it rain in Lisbon on New Year's Eve?", "Rain", "Dry", "0.4200"),
    ("Will the next office plant outlive the intern's contract?", "Plant", "Contract", "0.3500"),
    ("Will the kettle boil before the meeting ends?", "Kettle", "Meeting", "0.6200"),
    ("Will the marathon be won in under 2 h 05 min?", "Under", "Over", "0.5500"),
    ("Will the sequel get better reviews than the first film?", "Better", "Worse", "0.2500"),
    ("Will the local team win the derby?", "Win", "No win", "0.4800"),
    ("Will the comet be seen with the naked eye?", "Seen", "Not seen", "0.3000"),
    ("Will the bridge open on time?", "On time", "Late", "0.1800"),
    ("Will the bakery sell out before nine?", "Sold out", "Bread left", "0.7100"),
    ("Will the cat choose the box over the bed?", "Box", "Bed", "0.8000"),
)
SUBSIDY = Decimal(2_000)
DECIDED = {8: "this", 9: "that"}
# More than a day's users need, half a minute apart, in less than the 24 hours until the next day's.
MOMENTS, STEP = 400, timedelta(seconds=30)
PICTURE = "/static/devtools/question.svg"


@dataclass(slots=True)
class DemoData:
    """Hold what there is so far: users, open markets, and bets by user."""

    chance: Random = field(default_factory=Random)
    users: list[UUID] = field(default_factory=list)
    markets: list[Market] = field(default_factory=list)
    bets: list[tuple[UUID, UUID]] = field(default_factory=list)


def create_demo_data(*, now: datetime) -> bool:
    """Make the data, or the rest of it where an earlier run was stopped; return False where all of it is there."""
    if is_complete():
        return False
    begin, last = now - timedelta(days=DAYS - 1), None
    if first := Market.objects.filter(title=QUESTIONS[0][0], market_type=Market.Type.CREDITS).first():
        begin = first.created_at
        last = CreditTransaction.objects.filter(user__in=demo_users()).aggregate(last=Max("created_at"))["last"]
    data = DemoData(users=list(demo_users().values_list("pk", flat=True)))
    data.markets = [ask(place, question, begin) for place, question in enumerate(QUESTIONS)]
    seed_stocks(now=begin)
    for day in range(DAYS):
        moments = moments_of(begin + timedelta(days=day), after=last)
        if moments:
            live(data, day, iter(moments))
    for place, outcome in DECIDED.items():
        decide(data.markets[place], outcome, now)
    return True


def demo_users() -> QuerySet[User]:
    """Return the users of the demo, in the order in which they joined."""
    return User.objects.filter(username__in=map(username_of, NAMES)).order_by("pk")


def is_complete() -> bool:
    decided = [QUESTIONS[place][0] for place in DECIDED]
    return Settlement.objects.filter(market__title__in=decided, finished_at__isnull=False).count() >= len(decided)


def ask(place: int, question: tuple[str, str, str, str], now: datetime) -> Market:
    """Make a market, or return the one that is there; every third has fixed odds."""
    title, this, that, odds = question
    if market := Market.objects.filter(title=title, market_type=Market.Type.CREDITS).first():
        return market
    asked = Question(title=title, this_option=this, that_option=that, image_url=own_url() + PICTURE, expires_at=None)
    given: dict[str, Any] = {"this_odds": Decimal(odds), "by": COMMAND_LINE, "reason": "A demo.", "now": now}
    if place % 3 == 0:
        return create_house_market(asked, **given)
    return open_lmsr_market(asked, subsidy=SUBSIDY, **given)


def live(data: DemoData, day: int, moments: Iterator[datetime]) -> None:
    """Simulate a day: more users sign up as days pass, and each bets more."""
    data.chance = Random(f"demo:{day}")  # noqa: S311 - no secret
    for name in NAMES[len(data.users) : (day + 2) * len(NAMES) // DAYS + 2]:
        join(data, name, next(moments))
    for user in data.chance.sample(data.users, k=max(1, len(data.users) * 2 // 3)):
        spend(data, user, moments)
    if day % 3 == 0:
        buyer = data.chance.choice(data.users)
        order = prepare_purchase(user_id=buyer, package_id="starter", provider_name="manual", external_id="")
        run_transaction(partial(buy, order, now=next(moments)))


def moments_of(begin: datetime, *, after: datetime | None) -> list[datetime]:
    """Return moments of a day, half a minute apart, two hours back so that none is in the future.

    Those up to `after` are over; a day of which so many are over that the others might not do has none.
    """
    all_day = [begin - timedelta(hours=2) + number * STEP for number in range(1, MOMENTS + 1)]
    left = [moment for moment in all_day if after is None or moment > after]
    return left if len(left) > MOMENTS // 2 else []


def join(data: DemoData, name: str, now: datetime) -> None:
    """Register a user; every third was invited."""
    username = username_of(name)
    code = User.objects.get(pk=data.users[0]).referral_code if len(data.users) % 3 == 1 else None

    def act() -> UUID:
        user = register(
            username=username,
            email=f"{username}@demo.example",
            name=name,
            password=None,
            referral_code=code,
            is_verified=True,
            now=now,
        )
        sign_in(user, client=Client("create_demo_world", None), now=now)
        return user.pk

    data.users.append(run_transaction(act))


def username_of(name: str) -> str:
    return f"demo_{slugify(name).replace('-', '_')}"


def spend(data: DemoData, user: UUID, moments: Iterator[datetime]) -> None:
    """Place a bet or two, and now and then claim a reward, sell, or buy some shares."""
    if data.chance.random() < 0.4:  # noqa: PLR2004
        run_transaction(partial(claim_daily_reward, user_id=user, now=next(moments)))
    for _ in range(data.chance.randint(1, 2)):
        bet(data, user, next(moments))
    if data.bets and data.chance.random() < 0.2:  # noqa: PLR2004
        sell(data, next(moments))
    if data.chance.random() < 0.1:  # noqa: PLR2004
        stock = data.chance.choice(list(Stock.objects.order_by("symbol")))
        shares = Decimal(20) / stock.current_price
        trade(stock.pk, shares, user, next(moments))


def bet(data: DemoData, user: UUID, now: datetime) -> None:
    market, side = data.chance.choice(data.markets), data.chance.choice(("this", "that"))
    stake = Decimal(data.chance.randint(2, 16) * 10)
    order = validate_order({"marketId": str(market.pk), "side": side, "amount": stake})
    market_snapshot = get_market_snapshot(order.market)
    priced = price_order(order=order, market=market_snapshot, now=now, before_upstream=nothing)
    with suppress(InsufficientCredits, SlippageTooHigh):
        placed = run_transaction(partial(place_bet, priced=priced, user_id=user, clock=lambda: now))
        data.bets.append((user, UUID(str(placed.bet["id"]))))


def sell(data: DemoData, now: datetime) -> None:
    user, bet_id = data.bets.pop(data.chance.randrange(len(data.bets)))
    priced = price_sale(bet_id=bet_id, sale=Sale(amount=None), user_id=user, now=now, before_upstream=nothing)
    run_transaction(partial(sell_bet, priced=priced, user_id=user, clock=lambda: now))


def trade(stock_id: UUID, shares: Decimal, user: UUID, now: datetime) -> None:
    buying = partial(buy_shares, stock_id=stock_id, shares=round(shares, 4), leverage=1, user_id=user)
    with suppress(InsufficientCredits):
        run_transaction(partial(buying, clock=lambda: now))


def decide(market: Market, outcome: str, now: datetime) -> None:
    if market.status == Market.Status.OPEN:
        resolve_market(market_id=market.pk, outcome=outcome, by=COMMAND_LINE, reason="A demo.", now=now)
    settle_market(market_id=market.pk, now=now)


def nothing() -> None:
    """Do nothing: the odds of house markets need no upstream."""


class Command(BaseCommand):
    help = "Make a month of users, house markets, bets and payouts, so that pages show something: `make demo`."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A made-up month is for development alone, where DEBUG=true.")
        bring_database_up_to_date()
        # A month of events are nobody's news.
        logging.disable(logging.INFO)
        try:
            is_new = create_demo_data(now=timezone.now())
            for job in (update, audit_ledger, count_days) if is_new else ():
                job()
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        finally:
            logging.disable(logging.NOTSET)
        bets = Bet.objects.filter(user__in=demo_users()).count()
        done = "Made a month of" if is_new else "The month is there already:"
        self.stdout.write(
            f"{done} {bets} bets by {demo_users().count()} users. The admin shows them: {own_url()}/admin/"
        )
