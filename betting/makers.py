"""Market makers: house markets whose price each bet moves (`betting.lmsr`), and what the house puts into them.

A bet or a sale reads the maker and changes it in its own transaction, which holds the market's row exclusively: those
on one market take turns, those on others don't wait. Staff open such a market with a subsidy, and may add to it.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from accounts.models import Permission
from accounts.staff import StaffMember, record_action, validate_reason
from betting import rules
from betting.errors import InvalidSubsidy, MarketNotAccepting, SlippageTooHigh
from betting.lmsr import CENT, HIGHEST_ODDS, LOWEST_ODDS, BeyondLimit, Curve, Trade, first_curve
from betting.models import Bet, MarketMaker
from betting.orders import MARKET_COLUMNS, MarketSnapshot
from core.db.sql import Row, fetch_one
from core.db.transactions import require_transaction, run_transaction
from economy.ledger.house import post_subsidy
from markets.errors import InvalidHouseMarket, NotAHouseMarket
from markets.house import Question, begin_house_market, lock_house_market
from markets.models import Market

STEP = Decimal("0.0001")
LEAST_SHOWN, MOST_SHOWN = STEP, 1 - STEP

MAKER = """
SELECT b, tilt, q_this, q_that, subsidy, collected FROM market_makers WHERE market_id = %(market_id)s
"""
# For who changes its price: nobody else holds the market meanwhile. Both rows are locked, in this order, so that both
# are read anew once the lock is had; what isn't locked would be as it was when the statement began to wait.
LOCK_WITH_MAKER = f"""
SELECT {MARKET_COLUMNS}, maker.b, maker.tilt, maker.q_this, maker.q_that, maker.subsidy, maker.collected
FROM markets AS market JOIN market_makers AS maker ON maker.market_id = market.id
WHERE market.id = %(market_id)s FOR NO KEY UPDATE OF market, maker
"""  # noqa: S608 - constants
MAKER_WIDTH = 6
# In the statement that moves the credits of a bet, or of its own after a sale: `{moved}` is empty where they didn't.
MOVE_MAKER = """
UPDATE market_makers SET q_this = q_this + %(this_shares)s, q_that = q_that + %(that_shares)s,
    collected = collected + %(collected)s, open_stake = open_stake + %(open_stake)s
{moved} WHERE market_id = %(market_id)s
"""
REPRICE = """
UPDATE markets SET this_odds = %(this_odds)s, that_odds = %(that_odds)s, odds_updated_at = %(odds_updated_at)s
{moved} WHERE markets.id = %(market_id)s
"""
WITH_BET = f"curve AS ({MOVE_MAKER}), repriced AS ({REPRICE})".format(moved="FROM moved")
AFTER_SALE = f"WITH curve AS ({MOVE_MAKER}) {REPRICE}".format(moved="")


@dataclass(frozen=True, slots=True)
class Maker:
    """A market maker as it was read: its curve, the most that the house can lose, and what users paid so far."""

    curve: Curve
    subsidy: Decimal
    collected: Decimal

    def buy(self, amount: Decimal, side: str, *, limited: bool) -> Trade:
        """Return what a bet buys. `limited`: refuse one that moves the price further than MAX_SLIPPAGE.

        Raises MarketNotAccepting, SlippageTooHigh.
        """
        is_this = side == Bet.Side.THIS
        if shown(self.curve.price(is_this=is_this)) >= HIGHEST_ODDS:
            raise MarketNotAccepting("At these odds there is nothing to bet on.")
        try:
            trade = self.curve.buy(amount, is_this=is_this)
        except BeyondLimit:
            raise SlippageTooHigh from None
        if limited and amount > (trade.before + rules.MAX_SLIPPAGE) * trade.shares:
            raise SlippageTooHigh
        return trade


def get_maker(market_id: UUID) -> Maker:
    """Return the maker of a market that has one; it stays so while the caller holds the market."""
    row = fetch_one(MAKER, {"market_id": market_id})
    if row is None:
        raise LookupError(f"Market {market_id} has no maker; it is made with the market, and kept.")
    return read_maker(row)


def lock_with_maker(market_id: UUID) -> tuple[MarketSnapshot, Maker]:
    """Return a market and its maker, locked exclusively until the transaction ends. Lock it before any user."""
    require_transaction("lock_with_maker")
    row = fetch_one(LOCK_WITH_MAKER, {"market_id": market_id})
    if row is None:
        raise LookupError(f"Market {market_id} has no maker; it is made with the market, and kept.")
    return MarketSnapshot(*row[:-MAKER_WIDTH]), read_maker(row[-MAKER_WIDTH:])


def read_maker(row: Row) -> Maker:
    *curve, subsidy, collected = row
    return Maker(Curve(*curve), subsidy, collected)


def average_paid(trade: Trade) -> Decimal:
    """Return the odds of a bet as they are shown: what a share cost, rounded up. Payouts follow from shares alone."""
    return (trade.credits / trade.shares).quantize(STEP, ROUND_CEILING)


def average_got(trade: Trade) -> Decimal:
    """Return the odds of a sale as they are shown: what a share brought, rounded down, but never 0."""
    return max((trade.credits / trade.shares).quantize(STEP, ROUND_DOWN), STEP)


def shown(price: Decimal) -> Decimal:
    """Return a price as lists show it: 4 decimals, and never 0 or 1, which nothing can be bet at."""
    return min(max(price.quantize(STEP), LEAST_SHOWN), MOST_SHOWN)


def change_by(trade: Trade, side: str, *, bought: bool, stake: Decimal, now: datetime) -> dict[str, Any]:
    """Return the parameters of WITH_BET or AFTER_SALE. `stake`: what the shares that were traded had cost."""
    is_this, sign = side == Bet.Side.THIS, 1 if bought else -1
    odds = shown(trade.after)
    return {
        "this_shares": sign * trade.shares if is_this else Decimal(0),
        "that_shares": Decimal(0) if is_this else sign * trade.shares,
        "collected": sign * trade.credits,
        "open_stake": sign * stake,
        "this_odds": odds if is_this else 1 - odds,
        "that_odds": 1 - odds if is_this else odds,
        "odds_updated_at": now,
    }


# -- What staff do


def open_lmsr_market(
    question: Question, *, this_odds: Decimal, subsidy: Decimal, by: StaffMember, reason: str, now: datetime
) -> Market:
    """Create a house market that prices itself, beginning with these odds, and put the subsidy into escrow.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, InvalidHouseMarket, MarketAlreadyAsked, InvalidSubsidy.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    validate_subsidy(subsidy, least=rules.MIN_SUBSIDY)
    validate_first_odds(this_odds)

    def create() -> Market:
        given: dict[str, Any] = {"by": by, "reason": reason, "now": now}
        market = begin_house_market(question, this_odds=this_odds, subsidy=subsidy, **given)
        curve = first_curve(odds=this_odds, subsidy=subsidy)
        MarketMaker.objects.create(market=market, b=curve.b, tilt=curve.tilt, subsidy=subsidy)
        post_subsidy(market_id=market.pk, amount=subsidy, now=now)
        return market

    return run_transaction(create)


def add_liquidity(*, market_id: UUID, amount: Decimal, by: StaffMember, reason: str, now: datetime) -> Decimal:
    """Add to the subsidy of an open market that prices itself, at the price of now; return the subsidy.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, InvalidSubsidy, MarketNotFound, NotAHouseMarket,
    MarketStatusConflict.
    """
    by.require(Permission.MANAGE_HOUSE_MARKETS)
    reason = validate_reason(reason)
    validate_subsidy(amount, least=CENT)

    def add() -> Decimal:
        market = lock_house_market(market_id)
        if not market.is_lmsr:
            raise NotAHouseMarket("This market has fixed odds: there is no liquidity to add.")
        maker = get_maker(market_id)
        subsidy = maker.subsidy + amount
        validate_subsidy(subsidy, least=rules.MIN_SUBSIDY)
        deeper = maker.curve.deepened(subsidy=subsidy, collected=maker.collected)
        MarketMaker.objects.filter(pk=market_id).update(b=deeper.b, tilt=deeper.tilt, subsidy=subsidy)
        post_subsidy(market_id=market_id, amount=amount, now=now)
        before, after = {"subsidy": maker.subsidy}, {"subsidy": subsidy}
        record_action("add_liquidity", by=by, target=market, reason=reason, before=before, after=after, now=now)
        return subsidy

    return run_transaction(add)


def validate_subsidy(amount: Decimal, *, least: Decimal) -> None:
    """Raise InvalidSubsidy unless it is an amount of whole hundredths within the rules."""
    if not amount.is_finite() or not least <= amount <= rules.MAX_SUBSIDY or amount != amount.quantize(CENT):
        raise InvalidSubsidy(f"A subsidy is {least:,} to {rules.MAX_SUBSIDY:,} credits, with 2 decimals.")


def validate_first_odds(this_odds: Decimal) -> None:
    """Raise InvalidHouseMarket for odds that a market maker can't begin with."""
    if not this_odds.is_finite() or not LOWEST_ODDS <= this_odds <= HIGHEST_ODDS:
        raise InvalidHouseMarket(f"A market that prices itself begins between {LOWEST_ODDS} and {HIGHEST_ODDS}.")
