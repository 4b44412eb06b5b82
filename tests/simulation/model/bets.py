"""Markets and bets: who may bet, what a bet and a sale cost and bring, and what a decided market pays."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tests.simulation.model.ledger import User
from tests.simulation.model.makers import Dealt, Maker
from tests.simulation.model.prices import Book, Prices, house_prices
from tests.simulation.model.rules import ZERO, Rules, round_down

OVER = ("resolved", "cancelled")


@dataclass(slots=True)
class Bet:
    """A bet. `settled`: how often it was settled, whatever was undone."""

    id: str
    number: int
    user: str
    market: str
    side: str
    amount: Decimal
    odds: Decimal
    placed_at: datetime
    status: str = "pending"
    sold_amount: Decimal = ZERO
    sold_payout: Decimal = ZERO
    sales: int = 0
    settled: int = 0
    actual_payout: Decimal | None = None
    resolved_at: datetime | None = None
    # Of a market that prices itself: what it bought. Elsewhere the odds say it.
    shares: Decimal | None = None

    @property
    def payout(self) -> Decimal:
        """What the whole stake pays if its side wins."""
        return round_down(self.amount / self.odds) if self.shares is None else self.shares

    @property
    def stake(self) -> Decimal:
        """What of the stake isn't sold."""
        return self.amount - self.sold_amount

    def value(self, part: Decimal, odds: Decimal) -> Decimal:
        """What a part of the stake brings at these odds."""
        return round_down(part * odds / self.odds)

    def pays(self, stake: Decimal) -> Decimal:
        """What a part of the stake pays if its side wins: its shares."""
        if self.shares is None:
            return round_down(stake / self.odds)
        return round_down(self.shares * stake / self.amount)


@dataclass(slots=True)
class Upstream:
    """What Polymarket says of a mirrored market. `result`: of its catalogue; `second`: of its order book's record.

    `problem`: it isn't the market any more that was bet on, or was withdrawn. `oracle`: a result is still open.
    """

    book: Book
    is_closed: bool = False
    result: str = ""
    second: str = ""
    oracle: str = ""
    problem: bool = False
    accepting: bool = True

    @property
    def confirmed(self) -> str:
        """The result that both sources agree on."""
        agreed = self.is_closed and self.result and self.result == self.second and not self.oracle
        return self.result if agreed else ""


@dataclass(slots=True)
class Market:
    """A market; `upstream` only of a mirrored one. `undone`: results that staff reversed."""

    id: str
    number: int
    title: str
    odds: Decimal = ZERO
    expires_at: datetime | None = None
    upstream: Upstream | None = None
    reference: str = ""  # the condition id
    status: str = "open"
    resolution: str | None = None
    accepting: bool = True
    is_suspended: bool = False
    closed_by_staff: bool = False
    undone: set[str] = field(default_factory=set)
    was_bet_on: bool = False
    bets: dict[str, Bet] = field(default_factory=dict)
    ended_at: datetime | None = None
    maker: Maker | None = None

    @property
    def is_house(self) -> bool:
        return self.upstream is None

    @property
    def pending(self) -> list[Bet]:
        return [bet for bet in self.bets.values() if bet.status == "pending"]

    def prices(self, rules: Rules) -> Prices:
        return self.upstream.book.prices(rules) if self.upstream else house_prices(self.odds, rules)

    def buying(self, side: str, amount: Decimal, rules: Rules, *, limited: bool = True) -> Dealt | str:
        """Return what a bet buys, or the code of the refusal. `limited`: its order doesn't say `maxOdds`."""
        if self.maker:
            return self.maker.buying(side, amount, most_slippage=rules.max_slippage if limited else None)
        odds = self.prices(rules).to_buy(side, rules)
        return odds if isinstance(odds, str) else Dealt(round_down(amount / odds), amount, odds)

    def selling(self, bet: Bet, part: Decimal, rules: Rules) -> Dealt | str:
        """Return what a part of the stake sells for, or the code of the refusal."""
        shares = bet.pays(bet.stake) - bet.pays(bet.stake - part)
        if self.maker:
            return self.maker.selling(bet.side, shares)
        odds = self.prices(rules).to_sell(bet.side)
        return odds if isinstance(odds, str) else Dealt(shares, bet.value(part, odds), odds)

    def worth(self, bet: Bet, odds: Decimal) -> Decimal:
        """What a sale says that the rest is worth: at its odds, or where it moved the price, at those after it."""
        if self.maker:
            return round_down(bet.pays(bet.stake) * self.maker.shown(bet.side))
        return bet.value(bet.stake, odds)

    def outcome(self, bet: Bet, resolution: str) -> tuple[str, Decimal]:
        """Return status and payout of a pending bet at this result."""
        if resolution == "invalid":
            return "cancelled", self.maker.refund(bet.stake) if self.maker else bet.stake
        return ("won", bet.pays(bet.stake)) if bet.side == resolution else ("lost", ZERO)

    def refusals(self, now: datetime, *, to_bet: bool) -> set[str]:
        """Return the codes with which an order, or a sale, may be refused for the market's state."""
        codes = set()
        if self.status != "open":
            codes.add("market_not_open")
        if self.expires_at is not None and self.expires_at <= now and (self.is_house or not self.accepting):
            codes.add("market_expired")
        if not self.accepting or (to_bet and self.is_suspended):
            codes.add("market_not_accepting")
        return codes


def place(user: User, market: Market, bet: Bet) -> None:
    """Take the stake."""
    market.bets[bet.id] = bet
    market.was_bet_on = True
    if market.maker:
        market.maker.move(bet.side, bet.payout, bet.amount, bet.amount)
    user.move(-bet.amount, "bet_placed", "escrow", bet.id, staked=bet.amount, now=bet.placed_at)


def sell(user: User, market: Market, bet: Bet, part: Decimal, dealt: Dealt, *, now: datetime) -> Decimal:
    """Sell a part of the stake; return the proceeds."""
    proceeds = dealt.credits
    if market.maker:
        market.maker.move(bet.side, -dealt.shares, -proceeds, -part)
    user.receive(proceeds, "position_sold", "escrow", bet.id, occurrence=bet.sales, staked=-part, now=now)
    bet.sold_amount += part
    bet.sold_payout += proceeds
    bet.sales += 1
    if not bet.stake:
        bet.status, bet.resolved_at = "sold", now
    return proceeds


def settle(market: Market, users: Mapping[str, User], *, now: datetime) -> list[Bet]:
    """Pay the pending bets of a market that is over, each once; return them."""
    resolution = market.resolution
    assert resolution
    settled = sorted(market.pending, key=lambda bet: bet.id)
    paid = set()
    for bet in settled:
        stake = bet.stake
        bet.status, payout = market.outcome(bet, resolution)
        kind = "bet_refund" if bet.status == "cancelled" else "bet_payout"
        users[bet.user].move(payout, kind, "escrow", bet.id, occurrence=bet.settled, staked=-stake, now=now)
        bet.actual_payout, bet.resolved_at = payout, now
        bet.settled += 1
        if payout:
            paid.add(bet.user)
    for user in paid:
        users[user].repay(now=now)
    return settled


def reverse(market: Market, users: Mapping[str, User], *, now: datetime) -> list[Bet]:
    """Take back what a settlement paid, make its bets pending again, and close the market; return the bets."""
    undone = [bet for bet in market.bets.values() if bet.status in ("won", "lost", "cancelled")]
    by_user: dict[str, list[Bet]] = defaultdict(list)
    for bet in sorted(undone, key=lambda bet: bet.id):
        by_user[bet.user].append(bet)
    for user_id, bets in by_user.items():
        user, so_far = users[user_id], ZERO
        available = user.available
        for bet in bets:
            payout = bet.actual_payout or ZERO
            so_far += payout
            missing = max(ZERO, min(payout, so_far - available))
            user.take_back(
                payout,
                missing,
                "settlement_reversal",
                "escrow",
                bet.id,
                occurrence=bet.settled - 1,
                staked=bet.stake,
                now=now,
            )
    for bet in undone:
        bet.status, bet.actual_payout, bet.resolved_at = "pending", None, None
    market.undone.add(str(market.resolution))
    market.status, market.resolution, market.closed_by_staff, market.ended_at = "closed", None, True, None
    return undone
