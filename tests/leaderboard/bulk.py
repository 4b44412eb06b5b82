"""Many users with chosen figures, inserted set-based: services would take too long."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from markets.models import Market

CROWD = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code, created_at)
SELECT gen_random_uuid(), name || '@example.com', name, name, '', false, '', '', '', true, false,
    lpad(to_hex(known + n), 8, '0'), %(at)s + interval '1 second' * (n %% 10)
FROM (SELECT count(*) AS known FROM users) AS before, generate_series(1, %(users)s) AS n,
LATERAL (SELECT 'crowd_' || known + n AS name) AS named
RETURNING id
"""
# A bet's, a sale's or a settlement's day says that standings are stale; here it is said by hand.
MOVE = """
WITH moved AS (
    UPDATE users SET overall_pnl = moved.pnl, total_volume = moved.volume
    FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[]) AS moved (id, pnl, volume) WHERE users.id = moved.id
    RETURNING users.id
)
INSERT INTO stale_standings (user_id) SELECT id FROM moved
"""
PLACE = """
INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at)
SELECT gen_random_uuid(), user_id, %(market)s, 'this', stake, 0.6, trunc(stake / 0.6, 2), now()
FROM unnest(%(users)s::uuid[], %(stakes)s::numeric[]) AS bet (user_id, stake)
"""
SETTLE = """
WITH settled AS (
    UPDATE bets SET status = CASE WHEN won THEN 'won' ELSE 'lost' END, resolved_at = now(), settlement_count = 1,
        actual_payout = CASE WHEN won THEN shares ELSE 0 END
    FROM unnest(%(users)s::uuid[], %(wins)s::boolean[]) AS outcome (user_id, won)
    WHERE bets.user_id = outcome.user_id AND market_id = %(market)s AND status = 'pending'
    RETURNING bets.user_id
)
INSERT INTO stale_standings (user_id) SELECT user_id FROM settled
"""


def add_users(users: int, *, at: datetime) -> list[UUID]:
    """As many who did nothing and signed up within ten seconds, many at the same moment. Their ids, in no order."""
    with connection.cursor() as cursor:
        cursor.execute(CROWD, {"users": users, "at": at})
        return [user_id for (user_id,) in cursor.fetchall()]


def move(figures: Sequence[tuple[UUID, int, int]]) -> None:
    """Sets users' profit and volume, as bets would over time."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [list(column) for column in zip(*figures, strict=True)])


def add_settled_bets(market: Market, bets: Sequence[tuple[UUID, int, bool]]) -> None:
    """Adds a bet of each user, with its stake and whether it was won."""
    users, stakes, wins = zip(*bets, strict=True)
    given = {"market": market.pk, "users": list(users), "stakes": list(stakes), "wins": list(wins)}
    with connection.cursor() as cursor:
        cursor.execute(PLACE, given)
        cursor.execute(SETTLE, given)
