"""Many bets at once: users and bets as the services write them, set-based, through the ledger."""

from django.db import connection, transaction
from django.utils import timezone

from core.db.sql import analyze
from economy.ledger import post_from
from markets.models import Market
from tests.economy.factories import record_adjustments

USERS = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code)
SELECT new_id(), n || '@many.example', 'many' || n, '', '', false, '', '', '', true, false, 'M' || lpad(n::text, 7, '0')
FROM generate_series(1, %s) AS n
"""
GIFTS = """
SELECT 1 AS place, id AS user_id, %(amount)s::numeric AS amount, 'admin_adjustment' AS transaction_type,
    'staff' AS counterparty, new_id() AS reference_id, 0 AS occurrence, 0::numeric AS staked, '' AS description
FROM users WHERE username LIKE 'many%%'
"""
USERS_COUNT = "SELECT count(*) FROM users WHERE username LIKE 'many%'"
# Turn by turn over the users; each third bet on THAT.
BETS = """
INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at)
SELECT new_id(), person.id, %(market_id)s, side, 10, odds, trunc(10 / odds, 2), %(now)s
FROM (
    SELECT n, CASE n %% 3 WHEN 0 THEN 'that' ELSE 'this' END AS side,
        CASE n %% 3 WHEN 0 THEN 0.4 ELSE 0.6 END AS odds
    FROM generate_series(1, %(bets)s) AS n
) AS bet
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM users WHERE username LIKE 'many%%') AS person
ON person.place = n %% %(users)s + 1
"""
STAKES = """
SELECT row_number() OVER (ORDER BY id)::integer AS place, user_id, -amount AS amount, 'bet_placed' AS transaction_type,
    'escrow' AS counterparty, id AS reference_id, 0 AS occurrence, amount AS staked, 'Bet placed' AS description
FROM bets WHERE market_id = %(market_id)s
"""


def add_users(count: int, *, credits_each: int = 1_000) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(USERS, [count])
        analyze("users")
        post_from(GIFTS, parameters={"amount": credits_each}, now=timezone.now())
        record_adjustments()


def place_many(market: Market, bets: int) -> None:
    """Bets of 10 by everybody in turn: two of three on THIS at 0.6000, the others on THAT at 0.4000."""
    given = {"market_id": market.pk, "bets": bets, "now": timezone.now()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(USERS_COUNT)
        (users,) = cursor.fetchone()
        cursor.execute(BETS, given | {"users": users})
        analyze("bets")
        post_from(STAKES, parameters=given, now=timezone.now())
        analyze("bets", "users", "credit_transactions")
