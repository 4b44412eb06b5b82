"""Users who bet at chosen moments, through the services, and what is seen of the leaderboards."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.test import Client
from django.utils import timezone

from accounts.models import User
from betting.models import Bet, BetSale
from betting.orders import Sale, get_market_snapshot, validate_order
from betting.pricing import price_order, price_sale
from betting.services import place_bet, sell_bet
from core.db.transactions import run_transaction
from economy.stocks.models import StockTransaction
from leaderboard.models import CategoryStanding, Order, Scope, Standing, UserDay
from leaderboard.rules import Period
from leaderboard.selectors import get_place, list_entries
from markets.models import Market
from tests.betting.factories import Player, order

URL = "/api/v1/leaderboard"
A_WEDNESDAY = datetime(2026, 3, 4, 12, tzinfo=UTC)


def bet_at(player: Player, market: Market, amount: int, moment: datetime, side: str = "this") -> UUID:
    priced = price_order(
        order=validate_order(order(market, amount, side)),
        market=get_market_snapshot(str(market.pk)),
        now=timezone.now(),
        before_upstream=lambda: None,
    )
    run_transaction(lambda: place_bet(priced=priced, user_id=player.id, clock=lambda: moment))
    return Bet.objects.filter(user_id=player.id).latest("id").pk


def sell_at(player: Player, bet_id: UUID, amount: int | None, moment: datetime) -> None:
    part = None if amount is None else Decimal(amount)
    priced = price_sale(
        bet_id=bet_id, user_id=player.id, sale=Sale(amount=part), now=timezone.now(), before_upstream=lambda: None
    )
    run_transaction(lambda: sell_bet(priced=priced, user_id=player.id, clock=lambda: moment))


def see(order: str, status: int = 200, **query: Any) -> dict[str, Any]:
    """The public list as anybody sees it; numbers with a fraction as Decimal."""
    response = Client(raise_request_exception=False).get(f"{URL}/{order}", query)
    assert response.status_code == status, response.content
    return json.loads(response.content, parse_float=Decimal)


def names(order: str, **query: Any) -> list[str]:
    return [entry["user"]["username"] for entry in see(order, **query)["leaderboard"]]


def figures(order: str, **query: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """Profit and volume by username."""
    listed = see(order, **query)["leaderboard"]
    return {entry["user"]["username"]: (entry["overallPnL"], entry["totalVolume"]) for entry in listed}


def mine(player: Player, status: int = 200, **query: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {player.token}"}
    response = Client(raise_request_exception=False).get(f"{URL}/me", query, headers=headers)
    assert response.status_code == status, response.content
    body = json.loads(response.content, parse_float=Decimal)
    return body["ranking"] if status == 200 else body


def kept() -> dict[str, list[Any]]:
    """All that is derived, the time apart."""
    return {
        "days": list(UserDay.objects.order_by("day", "user_id").values()),
        "standings": list(Standing.objects.order_by("period", "user_id").values()),
        "categories": list(CategoryStanding.objects.order_by("category", "user_id").values()),
        "boards": {(scope.key, order): shown(order, scope) for scope in scopes() for order in Order},
        "own": {
            (user.pk, scope.key): get_place(user_id=user.pk, scope=scope)
            for user in User.objects.all()
            for scope in scopes()
        },
    }


def scopes() -> list[Scope]:
    """All boards that there are."""
    categories = Market.objects.order_by("category").values_list("category", flat=True).distinct()
    return [*map(Scope.of_period, Period), *map(Scope.of_category, categories)]


def shown(order: Order, scope: Scope) -> list[tuple[Any, ...]]:
    """Place, id, profit and volume of everybody on a board."""
    listed = list_entries(order=order, scope=scope, after=0, limit=1_000_000)
    return [(one["rank"], one["user"]["id"], one["overallPnL"], one["totalVolume"]) for one in listed]


def ranks(scope: Scope) -> dict[UUID, tuple[int, int, Decimal, Decimal]]:
    """Rank by profit, rank by volume, profit and volume of each user of a board, as the two lists say."""
    by_volume = {user_id: place for place, user_id, _, _ in shown(Order.VOLUME, scope)}
    by_pnl = shown(Order.PNL, scope)
    assert len(by_volume) == len(by_pnl)
    return {user_id: (place, by_volume[user_id], pnl, volume) for place, user_id, pnl, volume in by_pnl}


def naive(period: Period, first: date, last: date) -> dict[UUID, tuple[int, int, Decimal, Decimal]]:
    """Rank by profit, rank by volume, profit and volume of each user: everything read, added up and sorted in Python."""
    users = ranked_users()
    profit, volume = added_up(first, last)
    if period == Period.ALL:
        found = {user.pk: (user.overall_pnl, user.total_volume) for user in users}
        assert found == {user.pk: (profit[user.pk], volume[user.pk]) for user in users}
    seen = users if period == Period.ALL else [user for user in users if user.pk in profit or user.pk in volume]
    return in_order(seen, profit, volume)


def naive_in_category(category: str) -> dict[UUID, tuple[int, int, Decimal, Decimal]]:
    """The same of a category's board: of whoever bet on a market that has the category now."""
    profit: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    volume: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for bet in Bet.objects.filter(market__category=category):
        volume[bet.user_id] += bet.amount
        if bet.status in ("won", "lost"):
            profit[bet.user_id] += bet.actual_payout - (bet.amount - bet.sold_amount)
        profit[bet.user_id] += bet.sold_payout - bet.sold_amount
    return in_order([user for user in ranked_users() if user.pk in volume], profit, volume)


def ranked_users() -> list[User]:
    return [user for user in User.objects.all() if user.is_active and not user.is_staff]


def in_order(
    seen: list[User], profit: dict[UUID, Decimal], volume: dict[UUID, Decimal]
) -> dict[UUID, tuple[int, int, Decimal, Decimal]]:
    """Rank by profit, rank by volume, profit and volume of each user: sorted in Python."""
    by_pnl = sorted(seen, key=lambda user: (-profit[user.pk], user.created_at, user.pk))
    by_volume = sorted(seen, key=lambda user: (-volume[user.pk], user.created_at, user.pk))
    places = {user.pk: place for place, user in enumerate(by_volume, 1)}
    return {user.pk: (place, places[user.pk], profit[user.pk], volume[user.pk]) for place, user in enumerate(by_pnl, 1)}


def added_up(first: date, last: date) -> tuple[defaultdict[UUID, Decimal], defaultdict[UUID, Decimal]]:
    profit: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    volume: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for bet in Bet.objects.all():
        if first <= bet.placed_at.date() <= last:
            volume[bet.user_id] += bet.amount
        if bet.status in ("won", "lost") and first <= bet.resolved_at.date() <= last:
            profit[bet.user_id] += bet.actual_payout - (bet.amount - bet.sold_amount)
    for sale in BetSale.objects.select_related("bet"):
        if first <= sale.created_at.date() <= last:
            profit[sale.bet.user_id] += sale.payout - sale.amount
    for trade in StockTransaction.objects.exclude(type="buy"):
        if first <= trade.created_at.date() <= last:
            profit[trade.user_id] += trade.total_amount - trade.invested
    return profit, volume
