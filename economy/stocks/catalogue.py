"""The first stocks. What has its symbol already stays as it is, whatever became of it."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from core.db.sql import new_id
from core.db.transactions import run_transaction


class First(NamedTuple):
    symbol: str
    name: str
    description: str
    price: str
    supply: int
    max_leverage: int


CATALOGUE = (
    First("THIS", "This Industries", "Makes one of two things, and is sure which.", "25.00", 1_000_000, 5),
    First("THAT", "That Holdings", "Makes the other thing.", "24.50", 1_000_000, 5),
    First("ODDS", "Even Odds Exchange", "Earns on every bet, whoever wins it.", "112.40", 250_000, 3),
    First("COIN", "Double Sided Mint", "Strikes coins for people who can't decide.", "8.75", 5_000_000, 10),
    First("POLL", "Straw Poll Research", "Asks a thousand people, and believes them.", "47.20", 500_000, 3),
    First("HYPE", "Momentum & Sons", "Goes up because it went up.", "3.10", 10_000_000, 10),
    First("SAFE", "Certainty Assurance", "Insures against surprises.", "190.00", 100_000, 1),
    First("MOON", "Lunar Freight", "Delivers, in time.", "0.85", 20_000_000, 20),
)
ADD = """
WITH added AS (
    INSERT INTO stocks (id, symbol, name, description, current_price, price_sequence, total_supply, max_leverage,
        created_at, updated_at)
    VALUES (%(id)s, %(symbol)s, %(name)s, %(description)s, %(price)s, 1, %(supply)s, %(max_leverage)s, %(now)s, %(now)s)
    ON CONFLICT (symbol) DO NOTHING RETURNING id
)
INSERT INTO stock_prices (id, stock_id, sequence, price, reason, created_at)
SELECT %(price_id)s, id, 1, %(price)s, 'First price', %(now)s FROM added
"""


def seed_stocks(*, now: datetime) -> int:
    """Adds what is missing of the catalogue; returns how many."""
    return run_transaction(lambda: sum(add(first, now) for first in CATALOGUE))


def add(first: First, now: datetime) -> int:
    terms = first._asdict() | {"price": Decimal(first.price), "supply": Decimal(first.supply)}
    with connection.cursor() as cursor:
        cursor.execute(ADD, {**terms, "id": new_id(), "price_id": new_id(), "now": now})
        added: int = cursor.rowcount
    return added
