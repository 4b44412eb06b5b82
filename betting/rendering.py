"""Bets as the contract shows them. Times come from PostgreSQL as text; current odds and value are of stored odds."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from betting.offers import Offer
from betting.pricing import position_value
from core.api.json import iso_utc

ISO_UTC = """to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
ODDS = "CASE bet.side WHEN 'this' THEN market.this_odds ELSE market.that_odds END"
# The contract's names, in its order, and where they come from.
FIELDS = {
    "id": "bet.id",
    "userId": "bet.user_id",
    "marketId": "bet.market_id",
    "side": "bet.side",
    "amount": "bet.amount",
    "oddsAtBet": "bet.odds_at_bet",
    "potentialPayout": "bet.potential_payout",
    "actualPayout": "bet.actual_payout",
    "status": "bet.status",
    "placedAt": ISO_UTC.format(column="bet.placed_at"),
    "resolvedAt": ISO_UTC.format(column="bet.resolved_at"),
    "soldAmount": "bet.sold_amount",
    "soldPayout": "bet.sold_payout",
    "currentOdds": ODDS,
    # `pricing.position_value` of what is at stake; of a bet that is over, nothing is.
    "currentValue": "CASE bet.status WHEN 'pending' THEN "
    f"trunc((bet.amount - bet.sold_amount) * {ODDS} / bet.odds_at_bet, 2) ELSE 0.00 END",
}
OF_MARKET = {
    "id": "market.id",
    "title": "market.title",
    "thisOption": "market.this_option",
    "thatOption": "market.that_option",
    "status": "market.status",
    "resolution": "market.resolution",
    "resolvedAt": ISO_UTC.format(column="market.resolved_at"),
    "expiresAt": ISO_UTC.format(column="market.expires_at"),
    "imageUrl": "market.image_url",
}
COLUMNS = ", ".join((*FIELDS.values(), *OF_MARKET.values()))
NAMES, MARKET_NAMES = tuple(FIELDS), tuple(OF_MARKET)
NOTHING = Decimal("0.00")


def render(row: Sequence[Any]) -> dict[str, Any]:
    """COLUMNS as the contract's Bet."""
    bet = dict(zip(NAMES, row, strict=False))
    bet["market"] = dict(zip(MARKET_NAMES, row[len(NAMES) :], strict=True))
    return bet


def render_new(bet: dict[str, Any], offer: Offer, *, placed_at: datetime) -> dict[str, Any]:
    """A bet as it was just placed, without reading it again: the odds of this moment are those of the bet."""
    current = {"current_odds": bet["odds_at_bet"], "odds_at_bet": bet["odds_at_bet"]}
    return {
        "id": bet["id"],
        "userId": bet["user_id"],
        "marketId": offer.id,
        "side": bet["side"],
        "amount": bet["amount"],
        "oddsAtBet": bet["odds_at_bet"],
        "potentialPayout": bet["potential_payout"],
        "actualPayout": None,
        "status": "pending",
        "placedAt": iso_utc(placed_at),
        "resolvedAt": None,
        "soldAmount": NOTHING,
        "soldPayout": NOTHING,
        "currentOdds": bet["odds_at_bet"],
        "currentValue": position_value(bet["amount"], **current),
        "market": render_market(offer),
    }


def render_market(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "title": offer.title,
        "thisOption": offer.this_option,
        "thatOption": offer.that_option,
        "status": offer.status,
        "resolution": offer.resolution,
        "resolvedAt": offer.resolved_at,
        "expiresAt": offer.expires_at,
        "imageUrl": offer.image_url,
    }
