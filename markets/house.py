"""House markets: made and edited by staff, for credits alone, closed at their end by a job and resolved by staff."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.text import slugify

from accounts.errors import NothingChanged
from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from core.db.sql import execute, fetch_all
from core.db.transactions import require_transaction, run_transaction
from markets.changes import publish_markets, publish_odds
from markets.errors import (
    InvalidHouseMarket,
    MarketAlreadyAsked,
    MarketStatusConflict,
    MarketTermsFixed,
    NotAHouseMarket,
    OddsFollowBets,
)
from markets.listings import publish_edition
from markets.models import Market, MarketTerms
from markets.polymarket import parsing
from markets.resolution.staff import lock_market

# What users bet on, in words: fixed once somebody did. Changing the rest moves no stakes.
TERMS = ("title", "this_option", "that_option", "description")
LONGEST = {
    "title": parsing.TITLE_MAX,
    "this_option": parsing.OPTION_MAX,
    "that_option": parsing.OPTION_MAX,
    "image_url": parsing.IMAGE_URL_MAX,
    "category": parsing.CATEGORY_MAX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question of a house market. Without `expires_at` it is open until staff close it."""

    title: str
    this_option: str
    that_option: str
    image_url: str
    expires_at: datetime | None
    category: str = "general"
    description: str = ""

    def validate(self, *, now: datetime) -> None:
        """Raise InvalidHouseMarket where this can't be a market's question."""
        if self.expires_at is not None and self.expires_at <= now:
            raise InvalidHouseMarket("The end must lie ahead.")
        if not (self.title.strip() and self.this_option.strip() and self.that_option.strip()):
            raise InvalidHouseMarket("A title and two options are needed.")
        if self.this_option.strip().lower() == self.that_option.strip().lower():
            raise InvalidHouseMarket("The two options must differ.")
        if not self.image_url.startswith(("http://", "https://")):
            raise InvalidHouseMarket("A picture's address is needed, beginning with https://.")
        if not self.category or self.category != slugify(self.category).replace("_", "-"):
            raise InvalidHouseMarket("A category is made of a-z, 0-9 and hyphens.")
        if too_long := [name for name, most in LONGEST.items() if len(getattr(self, name)) > most]:
            raise InvalidHouseMarket(f"Too long: {', '.join(too_long).replace('_', ' ')}.")


QUESTION_FIELDS = tuple(field.name for field in fields(Question))


def validate_odds(this_odds: Decimal) -> None:
    """Raise InvalidHouseMarket unless it is a probability of THIS that can be bet at: between 0 and 1, 4 decimals."""
    if not this_odds.is_finite() or not 0 < this_odds < 1 or this_odds != round(this_odds, 4):
        raise InvalidHouseMarket("The odds must lie between 0 and 1, with 4 decimals.")


def create_house_market(
    question: Question, *, this_odds: Decimal, by: StaffMember, reason: str, now: datetime
) -> Market:
    """Create a house market of fixed odds that is open, and listed, at once. Raises as `begin_house_market` does."""
    return run_transaction(lambda: begin_house_market(question, this_odds=this_odds, by=by, reason=reason, now=now))


def begin_house_market(
    question: Question,
    *,
    this_odds: Decimal,
    by: StaffMember,
    reason: str,
    now: datetime,
    subsidy: Decimal | None = None,
) -> Market:
    """Create a house market, inside the caller's transaction; with a subsidy, one that a market maker is to price.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, InvalidHouseMarket, MarketAlreadyAsked.
    """
    require_transaction("begin_house_market")
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    question.validate(now=now)
    validate_odds(this_odds)
    values = {name: getattr(question, name) for name in QUESTION_FIELDS}
    require_unused_title(question.title)
    market = Market.objects.create(
        market_type=Market.Type.CREDITS,
        is_lmsr=subsidy is not None,
        slug=slugify(question.title),
        this_odds=this_odds,
        that_odds=1 - this_odds,
        odds_updated_at=now,
        created_at=now,
        updated_at=now,
        **values,
    )
    after = values | {"this_odds": this_odds} | ({"subsidy": subsidy} if subsidy is not None else {})
    record_action("create_market", by=by, target=market, reason=reason, before={}, after=after, now=now)
    publish_edition(now=now)
    return market


def edit_house_market(
    *,
    market_id: UUID,
    changes: Mapping[str, Any],
    by: StaffMember,
    reason: str,
    now: datetime,
) -> Market:
    """Change fields of a house market's question; its slug keeps the first title.

    `changes` are some of Question's fields. The market is locked, so that no bet slips in.
    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, NotAHouseMarket, MarketStatusConflict,
    NothingChanged, MarketTermsFixed, InvalidHouseMarket, MarketAlreadyAsked.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)

    def edit() -> Market:
        market = lock_house_market(market_id)
        before, after = differences(market, changes, now=now)
        if set(after) & set(TERMS) and was_bet_on(market_id):
            raise MarketTermsFixed
        if "title" in after:
            require_unused_title(after["title"])
        save_changes(market, after, now=now)
        record_action("edit_market", by=by, target=market, reason=reason, before=before, after=after, now=now)
        publish_edition(now=now)
        return market

    return run_transaction(edit)


def was_bet_on(market_id: UUID) -> bool:
    """Return whether somebody has bet on the market, so that its terms are fixed."""
    return MarketTerms.objects.filter(market_id=market_id).exists()


def require_unused_title(title: str) -> None:
    """Raise MarketAlreadyAsked for the title of an open house market.

    Until the transaction ends nobody else titles a market, so a form sent twice makes one.
    """
    execute("SELECT pg_advisory_xact_lock(hashtextextended('markets.house.titles', 0))")
    if Market.objects.filter(market_type=Market.Type.CREDITS, status=Market.Status.OPEN, title=title).exists():
        raise MarketAlreadyAsked


def differences(market: Market, changes: Mapping[str, Any], *, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what changes, as it was and as it will be. Raises NothingChanged, InvalidHouseMarket."""
    stored = {name: getattr(market, name) for name in QUESTION_FIELDS}
    after = {name: value for name, value in changes.items() if value != stored[name]}
    if not after:
        raise NothingChanged
    replace(Question(**stored), **after).validate(now=now)
    return {name: stored[name] for name in after}, after


def change_odds(*, market_id: UUID, this_odds: Decimal, by: StaffMember, reason: str, now: datetime) -> Market:
    """Change the odds for bets and sales from now on; existing bets keep theirs.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, InvalidHouseMarket, MarketNotFound, NotAHouseMarket,
    MarketStatusConflict, OddsFollowBets, NothingChanged.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    validate_odds(this_odds)

    def move() -> Market:
        market = lock_house_market(market_id)
        if market.is_lmsr:
            raise OddsFollowBets
        if this_odds == market.this_odds:
            raise NothingChanged
        before, after = {"this_odds": market.this_odds}, {"this_odds": this_odds}
        save_changes(market, {**after, "that_odds": 1 - this_odds, "odds_updated_at": now}, now=now)
        record_action("change_odds", by=by, target=market, reason=reason, before=before, after=after, now=now)
        publish_odds([market.id])
        return market

    return run_transaction(move)


def pause_house_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Have an open house market take no bets and sales until it is resumed.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, MarketNotFound, NotAHouseMarket, MarketStatusConflict,
    NothingChanged.
    """
    return set_accepting_orders("pause_market", market_id, accepting=False, by=by, reason=reason, now=now)


def resume_house_market(*, market_id: UUID, by: StaffMember, reason: str, now: datetime) -> Market:
    """Have a house market that was paused take orders again. Raises what `pause_house_market` raises."""
    return set_accepting_orders("resume_market", market_id, accepting=True, by=by, reason=reason, now=now)


def set_accepting_orders(
    action: str, market_id: UUID, *, accepting: bool, by: StaffMember, reason: str, now: datetime
) -> Market:
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)

    def change() -> Market:
        market = lock_house_market(market_id)
        if market.accepting_orders == accepting:
            raise NothingChanged
        before, after = {"accepting_orders": not accepting}, {"accepting_orders": accepting}
        save_changes(market, after, now=now)
        record_action(action, by=by, target=market, reason=reason, before=before, after=after, now=now)
        publish_edition(now=now)
        return market

    return run_transaction(change)


def lock_house_market(market_id: UUID) -> Market:
    """Return an open house market, which nobody bets on until the transaction ends.

    Raises MarketNotFound, NotAHouseMarket, MarketStatusConflict.
    """
    market = lock_market(market_id, tuple(Market.Status))
    if market.market_type != Market.Type.CREDITS:
        raise NotAHouseMarket
    if market.status != Market.Status.OPEN:
        raise MarketStatusConflict(f"This market is {market.status}.")
    return market


def save_changes(market: Market, values: Mapping[str, Any], *, now: datetime) -> None:
    for name, value in {**values, "updated_at": now}.items():
        setattr(market, name, value)
    market.save(update_fields=[*values, "updated_at"])


# Closed and recorded in one statement, each row locked before it is looked at, in the order of all who lock many.
CLOSE_EXPIRED = """
WITH due AS (
    SELECT id FROM markets WHERE status = 'open' AND market_type = 'credits' AND expires_at <= %(now)s
    ORDER BY id FOR UPDATE
), closed AS (
    UPDATE markets SET status = 'closed', updated_at = %(now)s FROM due WHERE markets.id = due.id RETURNING markets.id
)
INSERT INTO market_resolutions (market_id, decision, source, reason, facts, seen_at)
SELECT id, 'closed', 'clock', 'Past its end.', '{}', %(now)s FROM closed
RETURNING market_id
"""


def close_expired(*, now: datetime) -> int:
    """Close house markets that are past their end; return how many. Staff resolve them."""

    def close() -> int:
        closed = [market_id for (market_id,) in fetch_all(CLOSE_EXPIRED, {"now": now})]
        publish_markets(closed)
        return len(closed)

    return run_transaction(close)
