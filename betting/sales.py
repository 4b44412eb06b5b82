"""Selling a bet, whole or in parts, at the odds of the moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from betting.models import Bet
from betting.offers import Offer, check_takes_orders, find_offer, lock_offer
from betting.prices import Clock, Price, check_age, current_price, locked_price
from betting.pricing import position_value
from betting.selectors import get_bet
from core.api.errors import DomainError
from core.db.sql import new_id
from economy import ledger
from economy.ledger import Transfer
from economy.models import TransactionType


class BetNotFound(DomainError):
    code = "bet_not_found"
    status = 404
    message = "Bet not found"


class BetNotSellable(DomainError):
    code = "bet_not_sellable"
    message = "This bet can't be sold: it is settled, or sold already."


class AmountExceedsStake(DomainError):
    code = "amount_exceeds_stake"
    message = "You have less than that at stake."


class PositionChanged(DomainError):
    """What was possible when the request came isn't any more: another sale, or settlement, was faster."""

    code = "position_changed"
    status = 409
    message = "This bet has changed meanwhile. Look at it again."


class Position(NamedTuple):
    """A bet as far as selling goes."""

    market_id: UUID
    side: str
    status: str
    odds_at_bet: Decimal
    at_stake: Decimal
    sale_count: int

    def check_sellable(self, amount: Decimal | None) -> None:
        """Raises BetNotSellable, AmountExceedsStake."""
        if self.status != Bet.Status.PENDING:
            raise BetNotSellable
        if amount is not None and amount > self.at_stake:
            raise AmountExceedsStake

    def worth(self, stake: Decimal, odds: Decimal) -> Decimal:
        return position_value(stake, current_odds=odds, odds_at_bet=self.odds_at_bet)


@dataclass(frozen=True, slots=True)
class SaleIntent:
    """`amount`: how much of the stake; None for whatever is left of it when the sale is booked."""

    bet_id: UUID
    amount: Decimal | None
    offer: Offer
    price: Price


@dataclass(frozen=True, slots=True)
class Sold:
    """The bet as it is now, what the sale brought, the user's balance, and what the rest of the bet is worth."""

    bet: dict[str, Any]
    proceeds: Decimal
    balance: Decimal
    value_left: Decimal


POSITION = """
SELECT market_id, side, status, odds_at_bet, amount - sold_amount, sale_count
FROM bets WHERE id = %(bet_id)s AND user_id = %(user_id)s
"""
LOCK_POSITION = f"{POSITION} FOR NO KEY UPDATE"
LOCK_USER = "SELECT credit_balance FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE"
RECORD = """
WITH sale AS (
    INSERT INTO bet_sales (id, bet_id, occurrence, amount, odds, payout, created_at)
    VALUES (%(id)s, %(bet_id)s, %(occurrence)s, %(amount)s, %(odds)s, %(payout)s, %(now)s)
)
UPDATE bets SET sold_amount = sold_amount + %(amount)s, sold_payout = sold_payout + %(payout)s,
    sale_count = sale_count + 1,
    status = CASE WHEN sold_amount + %(amount)s = amount THEN 'sold' ELSE status END,
    resolved_at = CASE WHEN sold_amount + %(amount)s = amount THEN %(now)s END
WHERE id = %(bet_id)s
"""


def price_sale(
    bet_id: UUID, amount: Decimal | None, *, user_id: UUID, now: datetime, before_asking: Callable[[], None]
) -> SaleIntent:
    """Finds the price, with no transaction open.

    Raises BetNotFound, BetNotSellable, AmountExceedsStake, MarketNotOpen, MarketExpired, MarketNotAccepting,
    PriceUnavailable.
    """
    position = read_position(POSITION, bet_id, user_id)
    position.check_sellable(amount)
    offer = find_offer(str(position.market_id))
    check_takes_orders(offer, now=now)
    price = current_price(offer, now=now, before_asking=before_asking)
    price.of(position.side)
    return SaleIntent(bet_id, amount, offer, price)


def sell_bet(intent: SaleIntent, *, user_id: UUID, clock: Clock) -> Sold:
    """Books the sale, inside the caller's transaction. What brings less than a cent is sold for nothing.

    Raises PositionChanged, and what the market's state or the price's age has against it.
    """
    offer = lock_offer(intent.offer.id)
    balance = lock_user(user_id)
    position = read_position(LOCK_POSITION, intent.bet_id, user_id)
    check_still_sellable(position, intent.amount)
    now = clock()
    check_takes_orders(offer, now=now)
    price = locked_price(offer, intent.price)
    check_age(price, now=now)
    odds = price.of(position.side)
    part = position.at_stake if intent.amount is None else intent.amount
    proceeds = position.worth(part, odds)
    (posted,) = ledger.post_many([transfer(intent.bet_id, user_id, part, proceeds, position.sale_count)], now=now)
    record(intent.bet_id, position, part, odds, proceeds, now)
    value_left = position.worth(position.at_stake - part, odds)
    balance = posted.balance_after if posted else balance
    return Sold(shown(intent.bet_id, user_id, odds, value_left), proceeds, balance, value_left)


def read_position(statement: str, bet_id: UUID, user_id: UUID) -> Position:
    """Raises BetNotFound, also for another user's bet."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"bet_id": bet_id, "user_id": user_id})
        row = cursor.fetchone()
    if row is None:
        raise BetNotFound
    return Position(*row)


def lock_user(user_id: UUID) -> Decimal:
    """The balance, which nobody else changes until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_USER, {"user_id": user_id})
        (balance,) = cursor.fetchone()
    return Decimal(balance)


def check_still_sellable(position: Position, amount: Decimal | None) -> None:
    try:
        position.check_sellable(amount)
    except (BetNotSellable, AmountExceedsStake) as exc:
        raise PositionChanged from exc


def transfer(bet_id: UUID, user_id: UUID, part: Decimal, proceeds: Decimal, occurrence: int) -> Transfer:
    return Transfer(
        user_id=user_id,
        amount=proceeds,
        staked=-part,
        transaction_type=TransactionType.POSITION_SOLD,
        reference_id=bet_id,
        occurrence=occurrence,
        description="Position sold",
    )


def record(bet_id: UUID, position: Position, part: Decimal, odds: Decimal, payout: Decimal, now: datetime) -> None:
    sale: dict[str, Any] = {"id": new_id(), "bet_id": bet_id, "occurrence": position.sale_count}
    with connection.cursor() as cursor:
        cursor.execute(RECORD, {**sale, "amount": part, "odds": odds, "payout": payout, "now": now})


def shown(bet_id: UUID, user_id: UUID, odds: Decimal, value: Decimal) -> dict[str, Any]:
    """The bet as it is in this transaction, at the odds of the sale."""
    bet = get_bet(bet_id, user_id=user_id)
    if bet is None:
        raise BetNotFound
    return bet | {"currentOdds": odds, "currentValue": value}
