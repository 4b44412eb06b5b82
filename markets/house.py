"""House markets: made and edited by staff, for credits alone, closed by the clock and resolved by staff."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.text import slugify

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.api.errors import DomainError
from core.db.transactions import run_transaction
from markets import editions
from markets.models import Market
from markets.resolution.staff import NotPossibleNow, lock_market

# What people bet on, in words. The rest may change after that: it moves no credits that are at stake.
TERMS = ("title", "this_option", "that_option", "description")
LONGEST = {"title": 500, "this_option": 100, "that_option": 100, "image_url": 2000, "category": 50}


class HouseMarketRefused(DomainError):
    code = "invalid_house_market"
    message = "This can't be a market."


class NotOurs(DomainError):
    code = "not_a_house_market"
    status = 409
    message = "This market is Polymarket's: it is copied as it stands."


class AlreadyAsked(DomainError):
    code = "market_already_asked"
    status = 409
    message = "An open house market has this title already."


class TermsAreFixed(DomainError):
    code = "market_terms_fixed"
    status = 409
    message = "Somebody has bet on it: its title, options and description stay. Void it, and make another."


class NothingChanged(DomainError):
    code = "nothing_changed"
    message = "Nothing would change."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. Without `expires_at` it is open until staff close it."""

    title: str
    this_option: str
    that_option: str
    image_url: str
    expires_at: datetime | None
    category: str = "general"
    description: str = ""

    def check(self, *, now: datetime) -> None:
        """Raises HouseMarketRefused."""
        if self.expires_at is not None and self.expires_at <= now:
            raise HouseMarketRefused("The end must lie ahead.")
        if not (self.title.strip() and self.this_option.strip() and self.that_option.strip()):
            raise HouseMarketRefused("A title and two options are needed.")
        if self.this_option.strip().lower() == self.that_option.strip().lower():
            raise HouseMarketRefused("The two options must differ.")
        if not self.image_url.startswith(("http://", "https://")):
            raise HouseMarketRefused("A picture's address is needed, beginning with https://.")
        if not self.category or self.category != slugify(self.category).replace("_", "-"):
            raise HouseMarketRefused("A category is made of a-z, 0-9 and hyphens.")
        if too_long := [name for name, most in LONGEST.items() if len(getattr(self, name)) > most]:
            raise HouseMarketRefused(f"Too long: {', '.join(too_long).replace('_', ' ')}.")


ASKED = tuple(field.name for field in fields(Question))


def check_odds(this_odds: Decimal) -> None:
    """The probability of THIS: 4 decimals, between 0 and 1; what can be bet at. Raises HouseMarketRefused."""
    if not this_odds.is_finite() or not 0 < this_odds < 1 or this_odds != round(this_odds, 4):
        raise HouseMarketRefused("The odds must lie between 0 and 1, with 4 decimals.")


def create_house_market(
    question: Question, *, this_odds: Decimal, by: StaffMember, reason: str, now: datetime
) -> Market:
    """Open at once, and in the lists.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, HouseMarketRefused, AlreadyAsked.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    question.check(now=now)
    check_odds(this_odds)
    asked = {name: getattr(question, name) for name in ASKED}

    def create() -> Market:
        check_unasked(question.title)
        market = Market.objects.create(
            market_type=Market.Type.CREDITS,
            slug=slugify(question.title),
            this_odds=this_odds,
            that_odds=1 - this_odds,
            odds_updated_at=now,
            created_at=now,
            updated_at=now,
            **asked,
        )
        after = asked | {"this_odds": this_odds}
        record_action("create_market", by=by, target=market, reason=reason, before={}, after=after, now=now)
        editions.publish(now=now)
        return market

    return run_transaction(create)


def edit_house_market(
    *,
    market_id: UUID,
    changes: Mapping[str, Any],
    anyone_bet: Callable[[UUID], bool],
    by: StaffMember,
    reason: str,
    now: datetime,
) -> Market:
    """`changes`: some of Question's fields. `anyone_bet` is asked with the market locked, so that no bet slips in.

    Its address keeps the first title. Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchMarket, NotOurs,
    NotPossibleNow, NothingChanged, TermsAreFixed, HouseMarketRefused, AlreadyAsked.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)

    def edit() -> Market:
        market = lock_house_market(market_id)
        before, after = differences(market, changes, now=now)
        if set(after) & set(TERMS) and anyone_bet(market_id):
            raise TermsAreFixed
        if "title" in after:
            check_unasked(after["title"])
        change(market, after, now=now)
        record_action("edit_market", by=by, target=market, reason=reason, before=before, after=after, now=now)
        editions.publish(now=now)
        return market

    return run_transaction(edit)


def check_unasked(title: str) -> None:
    """Until the transaction ends nobody else titles a market: a form sent twice asks once. Raises AlreadyAsked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('markets.house.titles', 0))")
    if Market.objects.filter(market_type=Market.Type.CREDITS, status=Market.Status.OPEN, title=title).exists():
        raise AlreadyAsked


def differences(market: Market, changes: Mapping[str, Any], *, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes, as it was and as it will be. Raises NothingChanged, HouseMarketRefused."""
    asked = {name: getattr(market, name) for name in ASKED}
    after = {name: value for name, value in changes.items() if value != asked[name]}
    if not after:
        raise NothingChanged
    replace(Question(**asked), **after).check(now=now)
    return {name: asked[name] for name in after}, after


def change_odds(*, market_id: UUID, this_odds: Decimal, by: StaffMember, reason: str, now: datetime) -> Market:
    """For bets and sales from now on; the bets there are keep theirs.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, HouseMarketRefused, NoSuchMarket, NotOurs, NotPossibleNow,
    NothingChanged.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    check_odds(this_odds)

    def move() -> Market:
        market = lock_house_market(market_id)
        if this_odds == market.this_odds:
            raise NothingChanged
        before, after = {"this_odds": market.this_odds}, {"this_odds": this_odds}
        change(market, {**after, "that_odds": 1 - this_odds, "odds_updated_at": now}, now=now)
        record_action("change_odds", by=by, target=market, reason=reason, before=before, after=after, now=now)
        return market

    return run_transaction(move)


def lock_house_market(market_id: UUID) -> Market:
    """An open one, which nobody bets on until the transaction ends. Raises NoSuchMarket, NotOurs, NotPossibleNow."""
    market = lock_market(market_id, tuple(Market.Status))
    if market.market_type != Market.Type.CREDITS:
        raise NotOurs
    if market.status != Market.Status.OPEN:
        raise NotPossibleNow(f"This market is {market.status}.")
    return market


def change(market: Market, values: Mapping[str, Any], *, now: datetime) -> None:
    for name, value in {**values, "updated_at": now}.items():
        setattr(market, name, value)
    market.save(update_fields=[*values, "updated_at"])


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
