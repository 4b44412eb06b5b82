"""House markets: made by staff, for credits alone, closed by the clock and resolved by staff."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.utils.text import slugify

from markets import editions
from markets.models import Market
from thisthat.common.errors import DomainError
from thisthat.common.transactions import run_transaction


class HouseMarketRefused(DomainError):
    code = "invalid_house_market"
    message = "This can't be a market."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`this_odds`: the probability of THIS, 4 decimals, between 0 and 1; what can be bet at."""

    title: str
    this_option: str
    that_option: str
    this_odds: Decimal
    image_url: str
    expires_at: datetime
    category: str = "general"
    description: str = ""
    author: str | None = None

    def check(self, *, now: datetime) -> None:
        """Raises HouseMarketRefused."""
        if not 0 < self.this_odds < 1 or self.this_odds != round(self.this_odds, 4):
            raise HouseMarketRefused("The odds must lie between 0 and 1, with 4 decimals.")
        if self.expires_at <= now:
            raise HouseMarketRefused("The end must lie ahead.")
        if not (self.title.strip() and self.this_option.strip() and self.that_option.strip()):
            raise HouseMarketRefused("A title and two options are needed.")


def create_house_market(question: Question, *, now: datetime) -> Market:
    """Open at once, and in the lists. Raises HouseMarketRefused."""
    question.check(now=now)

    def create() -> Market:
        market = Market.objects.create(
            market_type=Market.Type.CREDITS,
            slug=slugify(question.title),
            title=question.title,
            description=question.description,
            this_option=question.this_option,
            that_option=question.that_option,
            this_odds=question.this_odds,
            that_odds=1 - question.this_odds,
            odds_updated_at=now,
            category=question.category.lower(),
            image_url=question.image_url,
            expires_at=question.expires_at,
            author=question.author,
            created_at=now,
            updated_at=now,
        )
        editions.publish(now=now)
        return market

    return run_transaction(create)


# Closed and recorded in one statement, the market's row locked before it is judged, in the order of all who lock many.
CLOSE_EXPIRED = """
WITH due AS (
    SELECT id FROM markets WHERE status = 'open' AND market_type = 'credits' AND expires_at <= %(now)s
    ORDER BY id FOR UPDATE
), closed AS (
    UPDATE markets SET status = 'closed', updated_at = %(now)s FROM due WHERE markets.id = due.id RETURNING markets.id
)
INSERT INTO market_resolutions (market_id, decision, source, reason, facts, seen_at)
SELECT id, 'closed', 'clock', 'Past its end.', '{}', %(now)s FROM closed
"""


def close_expired(*, now: datetime) -> int:
    """Closes house markets that are past their end; returns how many. Staff say how they ended."""

    def close() -> int:
        with connection.cursor() as cursor:
            cursor.execute(CLOSE_EXPIRED, {"now": now})
            return int(cursor.rowcount)

    return run_transaction(close)
