"""Bets, sales and quotes, with what may be wrong with them."""

from datetime import datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.actions import Call, expect
from tests.simulation.model import bets
from tests.simulation.model.bets import Bet, Market
from tests.simulation.model.ledger import User
from tests.simulation.model.makers import Dealt
from tests.simulation.model.rules import CENT, ZERO
from tests.simulation.model.world import World

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

BETS = "/api/v1/bets"
NOWHERE = "01234567-89ab-7cde-8f01-23456789abcd"
STEP = Decimal("0.0001")


def bounds_refusal(body: dict[str, Any], dealt: Dealt | str) -> set[str]:
    """Return the refusal for odds outside the bounds of an order; of odds that can't be had their own code."""
    if isinstance(dealt, str):
        return {dealt}
    low, high, odds = body.get("minOdds"), body.get("maxOdds"), dealt.odds
    return {"odds_moved"} if (low is not None and odds < low) or (high is not None and odds > high) else set()


class PlaceBet(Call):
    success = 201
    is_keyed = True

    def __init__(self, user: User, market: Market | None, body: dict[str, Any]) -> None:
        super().__init__(user, BETS, body)
        self.number, self.market_id = user.number, market.id if market else ""
        self.market = market.number if market else None
        self.is_stale = False

    def refusals(self, world: World, now: datetime) -> set[str]:
        amount, rules = self.body["amount"], world.rules
        low, high = self.body.get("minOdds"), self.body.get("maxOdds")
        if not rules.min_bet <= amount <= rules.max_bet or amount != round(amount, 2):
            return {"validation_error"}
        if low is not None and high is not None and low > high:
            return {"validation_error"}
        market = world.markets.get(self.market_id)
        if market is None:
            return {"market_not_found"}
        codes = market.refusals(now, to_bet=True)
        codes |= bounds_refusal(self.body, self.dealt(world))
        if world.users[str(self.user)].available < amount:
            codes.add("insufficient_credits")
        if self.is_stale and not market.is_house:
            codes.add("price_unavailable")
        return codes

    def dealt(self, world: World) -> Dealt | str:
        limited = self.body.get("maxOdds") is None
        market = world.markets[self.market_id]
        return market.buying(self.body["side"], self.body["amount"], world.rules, limited=limited)

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        world, shown = sim.world, body["bet"]
        user, market = world.users[str(self.user)], world.markets[self.market_id]
        dealt = self.dealt(world)
        assert isinstance(dealt, Dealt)
        bet = Bet(shown["id"], sim.number, user.id, market.id, self.body["side"], self.body["amount"], dealt.odds, now)
        bet.shares = dealt.shares if market.maker else None
        bets.place(user, market, bet)
        world.bets[bet.id] = bet
        check_bet(shown, bet)
        sim.comparison.touch_bets(bet.id)
        expect("a bet says what it may pay", body["potentialPayout"], bet.payout)
        expect("a bet says the balance after it", body["newBalance"], user.balance)

    def __str__(self) -> str:
        where = f"m{self.market}" if self.market is not None else "no market"
        more = "".join(f", {name} {self.body[name]}" for name in ("minOdds", "maxOdds") if name in self.body)
        return f"u{self.number} bets {self.body['amount']} on {self.body['side']} of {where}{more}{keyed(self)}"


def keyed(call: Call) -> str:
    return f" [key {call.key}]" if call.key else ""


def check_bet(shown: dict[str, Any], bet: Bet) -> None:
    """Check a bet as it is shown."""
    is_open = bet.status == "pending"
    for name, expected in {
        "id": bet.id,
        "userId": bet.user,
        "marketId": bet.market,
        "side": bet.side,
        "amount": bet.amount,
        "oddsAtBet": bet.odds,
        "potentialPayout": bet.payout,
        "shares": bet.payout,
        "status": bet.status,
        "soldAmount": bet.sold_amount,
        "soldPayout": bet.sold_payout,
        "actualPayout": bet.actual_payout,
        "remainingAmount": bet.stake if is_open else ZERO,
        "remainingPayout": bet.pays(bet.stake) if is_open else ZERO,
    }.items():
        expect(f"{name} of bet {bet.number}", shown[name], expected)


class SellBet(Call):
    """A sale, of all that is left without an amount. `is_own`: the bet is the user's."""

    is_keyed = True

    def __init__(self, user: User, bet: Bet, body: dict[str, Any], market: Market) -> None:
        super().__init__(user, f"{BETS}/{bet.id}/sell", body)
        self.number, self.bet, self.bet_number = user.number, bet.id, bet.number
        self.market = market.number
        self.is_stale = False

    def refusals(self, world: World, now: datetime) -> set[str]:
        amount = self.body.get("amount")
        bet = world.bets.get(self.bet)
        if amount is not None and (amount < CENT or amount != round(amount, 2)):
            return {"validation_error"}
        if bet is None or bet.user != self.user:
            return {"bet_not_found"}
        if bet.status != "pending":
            return {"bet_not_sellable"}
        market = world.markets[bet.market]
        codes = market.refusals(now, to_bet=False)
        if amount is not None and amount > bet.stake:
            codes.add("amount_exceeds_stake")
        else:
            codes |= bounds_refusal(self.body, market.selling(bet, amount or bet.stake, world.rules))
        if self.is_stale and not market.is_house:
            codes.add("price_unavailable")
        return codes

    def refusals_of_racers(self, codes: set[str]) -> set[str]:
        return (
            {"position_changed"} if codes & {"bet_not_sellable", "amount_exceeds_stake", "market_not_open"} else set()
        )

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        world = sim.world
        user, bet = world.users[str(self.user)], world.bets[self.bet]
        market = world.markets[bet.market]
        part = bet.stake if self.body.get("amount") is None else self.body["amount"]
        dealt = market.selling(bet, part, world.rules)
        assert isinstance(dealt, Dealt)
        proceeds = bets.sell(user, market, bet, part, dealt, now=now)
        sim.comparison.touch_bets(bet.id)
        check_bet(body["bet"], bet)
        expect("a sale brings its share at the bid", body["creditsReturned"], proceeds)
        expect("what is left has its value at the bid", body["currentValue"], market.worth(bet, dealt.odds))
        expect("a sale says the balance after it", body["newBalance"], user.balance)

    def __str__(self) -> str:
        part = self.body.get("amount", "all")
        more = f", minOdds {self.body['minOdds']}" if "minOdds" in self.body else ""
        return f"u{self.number} sells {part} of bet {self.bet_number} on m{self.market}{more}{keyed(self)}"


class QuoteBet(Call):
    def __init__(self, market: Market, side: str, amount: Decimal) -> None:
        super().__init__(None, f"{BETS}/quote", {"marketId": market.id, "side": side, "amount": amount})
        self.market, self.market_id = market.number, market.id

    def refusals(self, world: World, now: datetime) -> set[str]:
        market = world.markets[self.market_id]
        dealt = market.buying(self.body["side"], self.body["amount"], world.rules)
        return market.refusals(now, to_bet=True) | bounds_refusal(self.body, dealt)

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        market, side, rules = sim.world.markets[self.market_id], self.body["side"], sim.world.rules
        dealt = market.buying(side, self.body["amount"], rules)
        assert isinstance(dealt, Dealt)
        bid = market.maker.shown(side) if market.maker else market.prices(rules).to_sell(side)
        quote = body["quote"]
        expect("a quote is at the ask", quote["odds"], dealt.odds)
        expect("a quote says the bid, 0 where nobody buys", quote["bid"], bid if isinstance(bid, Decimal) else 0)
        expect("a quote says what the bet may pay", quote["potentialPayout"], dealt.shares)

    def __str__(self) -> str:
        return f"somebody asks what {self.body['amount']} on {self.body['side']} of m{self.market} costs"


class QuoteSale(Call):
    def __init__(self, user: User, bet: Bet, market: Market) -> None:
        super().__init__(user, f"{BETS}/{bet.id}/quote", {})
        self.number, self.bet, self.bet_number, self.market = user.number, bet.id, bet.number, market.number

    def refusals(self, world: World, now: datetime) -> set[str]:
        bet = world.bets[self.bet]
        if bet.user != self.user:
            return {"bet_not_found"}
        if bet.status != "pending":
            return {"bet_not_sellable"}
        market = world.markets[bet.market]
        dealt = market.selling(bet, bet.stake, world.rules)
        return market.refusals(now, to_bet=False) | bounds_refusal({}, dealt)

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        bet = sim.world.bets[self.bet]
        dealt = sim.world.markets[bet.market].selling(bet, bet.stake, sim.world.rules)
        assert isinstance(dealt, Dealt)
        expect("the quote of a sale is at the bid", body["quote"]["odds"], dealt.odds)
        expect("the quote of a sale says what it brings", body["quote"]["creditsReturned"], dealt.credits)

    def __str__(self) -> str:
        return f"u{self.number} asks what bet {self.bet_number} brings"


class GetBet(Call):
    method = "GET"

    def __init__(self, user: User, bet: Bet) -> None:
        super().__init__(user, f"{BETS}/{bet.id}")
        self.number, self.bet, self.bet_number = user.number, bet.id, bet.number

    def refusals(self, world: World, now: datetime) -> set[str]:
        return set() if world.bets[self.bet].user == self.user else {"bet_not_found"}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        check_bet(body["bet"], sim.world.bets[self.bet])

    def __str__(self) -> str:
        return f"u{self.number} looks at bet {self.bet_number}"


class MyBets(Call):
    method = "GET"

    def __init__(self, user: User) -> None:
        super().__init__(user, f"{BETS}/me?status=pending&limit=5")
        self.number = user.number

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        mine = [bet for bet in sim.world.bets.values() if bet.user == self.user and bet.status == "pending"]
        expect("all open bets are listed", body["total"], len(mine))
        for shown in body["bets"]:
            check_bet(shown, sim.world.bets[shown["id"]])

    def __str__(self) -> str:
        return f"u{self.number} looks at the open bets"


# -- Drawing


def draw_amount(random: Random, available: Decimal) -> Decimal:
    kind = random.random()
    if kind < 0.03:
        return random.choice((Decimal("9.99"), Decimal("10000.01"), Decimal("12.345"), Decimal(0), Decimal(-50)))
    if kind < 0.10:
        return available
    if kind < 0.14:
        return available + CENT
    if kind < 0.24:
        return random.choice((Decimal(10), Decimal(100), Decimal(10_000)))
    most = max(1_000, min(int(available * 100 // 3), 1_000_000))
    return Decimal(random.randint(1_000, most)) / 100


def draw_place_bet(sim: "Simulation", random: Random) -> Call | None:
    user, market = sim.somebody(random), sim.some_market(random)
    if user is None or market is None:
        return None
    side = random.choice(("this", "that"))
    body: dict[str, Any] = {"marketId": market.id, "side": side, "amount": draw_amount(random, user.available)}
    if random.random() < 0.02:
        body["marketId"] = NOWHERE
        return PlaceBet(user, None, body)
    if market.reference and random.random() < 0.2:
        body["marketId"] = market.reference
    is_bounded = random.random() < 0.2
    if is_bounded and body["amount"] >= sim.world.rules.min_bet:
        dealt = market.buying(side, body["amount"], sim.world.rules, limited=False)
        if isinstance(dealt, Dealt):
            body[random.choice(("minOdds", "maxOdds"))] = dealt.odds + random.choice((-STEP, Decimal(0), STEP))
    return PlaceBet(user, market, body)


def draw_sell_bet(sim: "Simulation", random: Random) -> Call | None:
    bet = sim.some_bet(random, pending=random.random() < 0.95)
    if bet is None:
        return None
    market = sim.world.markets[bet.market]
    user = sim.world.users[bet.user]
    if random.random() < 0.02:
        user = sim.somebody(random) or user
    body: dict[str, Any] = {}
    kind = random.random()
    if kind < 0.6 and bet.stake > CENT:
        body["amount"] = Decimal(random.randint(1, int(bet.stake * 100))) / 100
    elif kind < 0.65:
        body["amount"] = bet.stake + CENT
    elif kind < 0.68:
        body["amount"] = random.choice((Decimal(0), Decimal("0.001"), CENT))
    elif kind < 0.75:
        body["amount"] = bet.stake
    if random.random() < 0.15 and bet.stake:
        body |= draw_least_odds(sim, random, bet, body.get("amount", bet.stake))
    return SellBet(user, bet, body, market)


def draw_least_odds(sim: "Simulation", random: Random, bet: Bet, amount: Decimal) -> dict[str, Any]:
    dealt = sim.world.markets[bet.market].selling(bet, min(max(amount, CENT), bet.stake), sim.world.rules)
    return {"minOdds": dealt.odds + random.choice((Decimal(0), STEP))} if isinstance(dealt, Dealt) else {}


def draw_quote(sim: "Simulation", random: Random) -> Call | None:
    if random.random() < 0.5:
        market = sim.some_market(random)
        return market and QuoteBet(
            market, random.choice(("this", "that")), Decimal(random.randint(1_000, 99_999)) / 100
        )
    bet = sim.some_bet(random, pending=True)
    return bet and QuoteSale(sim.world.users[bet.user], bet, sim.world.markets[bet.market])


def draw_look_at_bets(sim: "Simulation", random: Random) -> Call | None:
    bet = sim.some_bet(random, pending=random.random() < 0.5)
    if bet is None:
        return None
    user = sim.world.users[bet.user]
    if random.random() < 0.3:
        return MyBets(user)
    return GetBet(user if random.random() < 0.9 else sim.somebody(random) or user, bet)
