"""Daily rewards, stocks, and purchases with their webhooks."""

import hmac
import json
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.actions import Action, Call, expect, number
from tests.simulation.betting import keyed
from tests.simulation.model import stocks
from tests.simulation.model.ledger import User
from tests.simulation.model.purchases import Purchase
from tests.simulation.model.rules import A_DAY, PACKAGES, ZERO, midnight
from tests.simulation.model.stocks import Stock
from tests.simulation.model.world import World

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

ECONOMY = "/api/v1/economy"
PURCHASES = "/api/v1/purchases"
WEBHOOK = f"{PURCHASES}/webhooks/stripe"
SECRET = b"whsec_simulation"
SMALLEST = Decimal("0.00000001")


class ClaimReward(Call):
    is_keyed = True

    def __init__(self, user: User) -> None:
        super().__init__(user, f"{ECONOMY}/daily-credits", {})
        self.number = user.number

    def refusals(self, world: World, now: datetime) -> set[str]:
        user = world.users[str(self.user)]
        is_due = user.last_reward_at is None or user.last_reward_at < midnight(now)
        # What isn't due locks nothing: the user may have been looked at before another transaction ended.
        return {"account_suspended"} if not user.is_active and (is_due or not self.raced) else set()

    def refusals_of_racers(self, codes: set[str]) -> set[str]:
        return {"account_suspended"}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        is_due = user.last_reward_at is None or user.last_reward_at < midnight(now)
        awarded = sim.world.reward(user, now, claimed=midnight(now).date()) if is_due else ZERO
        assert user.last_reward_at
        expect("a reward is what the streak brings, once a day", number(body["creditsAwarded"]), awarded)
        expect("a claim says the streak", body["consecutiveDays"], user.streak)
        # Where nothing is awarded nothing is locked: another transaction may have ended since the balance was read.
        if awarded or not self.raced:
            expect("a claim says the balance after it", number(body["newBalance"]), user.balance)
        next_at = midnight(max(user.last_reward_at, now)) + A_DAY
        expect("a claim says when the next is", body["nextAvailableAt"], next_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))

    def __str__(self) -> str:
        return f"u{self.number} claims the daily reward{keyed(self)}"


# -- Stocks


class BuyShares(Call):
    is_keyed = True

    def __init__(self, user: User, stock: Stock, shares: Decimal, leverage: int) -> None:
        super().__init__(user, f"{ECONOMY}/buy", {"stockId": stock.id, "shares": shares, "leverage": leverage})
        self.number, self.stock, self.symbol = user.number, stock.id, stock.symbol

    def refusals(self, world: World, now: datetime) -> set[str]:
        shares, leverage = self.body["shares"], self.body["leverage"]
        if shares < SMALLEST or shares != round(shares, 8) or not 1 <= leverage <= 100:
            return {"validation_error"}
        stock, user = world.stocks[self.stock], world.users[str(self.user)]
        codes = set()
        if stock.status != "active":
            codes.add("stock_not_active")
        if leverage > stock.max_leverage:
            codes.add("leverage_too_high")
        holding = stock.holdings.get(user.id)
        circulating = stock.circulating
        if holding and holding.is_worthless(stock.price):
            circulating -= holding.shares
        elif holding and holding.leverage != leverage:
            codes.add("leverage_mismatch")
        if circulating + shares > stock.supply:
            codes.add("insufficient_supply")
        if stocks.cost(shares, stock.price)[0] > user.available:
            codes.add("insufficient_credits")
        return codes

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        stock, user = sim.world.stocks[self.stock], sim.world.users[str(self.user)]
        stocks.liquidate(user, stock, now=now)
        stocks.buy(user, stock, self.body["shares"], self.body["leverage"], body["transaction"]["id"], now=now)
        holding = stock.holdings[user.id]
        expect("shares are bought at the price", number(body["transaction"]["pricePerShare"]), stock.price)
        expect("a holding has what was bought", number(body["holding"]["shares"]), holding.shares)
        expect("a holding says what was invested", number(body["holding"]["totalInvested"]), holding.invested)
        expect("a purchase of shares says the balance after it", number(body["newBalance"]), user.balance)
        sim.comparison.touch_stock(stock.id)

    def __str__(self) -> str:
        bought = f"{self.body['shares']} {self.symbol} at leverage {self.body['leverage']}"
        return f"u{self.number} buys {bought}{keyed(self)}"


class SellShares(Call):
    is_keyed = True

    def __init__(self, user: User, stock: Stock, shares: Decimal) -> None:
        super().__init__(user, f"{ECONOMY}/sell", {"stockId": stock.id, "shares": shares})
        self.number, self.stock, self.symbol = user.number, stock.id, stock.symbol

    def refusals(self, world: World, now: datetime) -> set[str]:
        if self.body["shares"] < SMALLEST:
            return {"validation_error"}
        holding = world.stocks[self.stock].holdings.get(str(self.user))
        if holding is None:
            return {"no_holding"}
        return {"insufficient_shares"} if self.body["shares"] > holding.shares else set()

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        stock, user = sim.world.stocks[self.stock], sim.world.users[str(self.user)]
        proceeds, profit = stocks.sell(user, stock, self.body["shares"], body["transaction"]["id"], now=now)
        left = stock.holdings.get(user.id)
        expect(
            "shares bring their share of what the holding is worth",
            number(body["transaction"]["totalAmount"]),
            proceeds,
        )
        expect("a sale of shares says its profit", number(body["profit"]), profit)
        expect("what is left is held", body["holding"] and number(body["holding"]["shares"]), left and left.shares)
        after = body["transaction"]["balanceAfter"]
        expect("a trade says the balance before repayments", number(after), number(body["newBalance"]))
        sim.comparison.touch_stock(stock.id)

    def __str__(self) -> str:
        return f"u{self.number} sells {self.body['shares']} {self.symbol}{keyed(self)}"


class Portfolio(Call):
    method = "GET"

    def __init__(self, user: User) -> None:
        super().__init__(user, f"{ECONOMY}/portfolio")
        self.number = user.number

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        held = {stock.id: stock.holdings[user.id] for stock in sim.world.stocks.values() if user.id in stock.holdings}
        expect("all holdings are shown", {row["stock"]["id"] for row in body["portfolio"]}, set(held))
        worth = Decimal(0)
        for row in body["portfolio"]:
            value = held[row["stock"]["id"]].worth(sim.world.stocks[row["stock"]["id"]].price)
            value = value.quantize(Decimal("0.01"), "ROUND_FLOOR")
            expect("a holding is worth what selling it brings", number(row["currentValue"]), value)
            worth += value
        balances = body["balances"]
        expect("the portfolio says the balance", number(balances["creditBalance"]), user.balance)
        expect("a net worth adds up", number(balances["netWorth"]), user.balance + user.locked + worth)

    def __str__(self) -> str:
        return f"u{self.number} looks at the portfolio"


# -- Purchases


class Buy(Call):
    is_keyed = True

    def __init__(self, user: User, body: dict[str, Any]) -> None:
        super().__init__(user, PURCHASES, body)
        self.number = user.number

    def earlier(self, world: World) -> Purchase | None:
        named = self.body.get("externalId")
        return next(
            (
                purchase
                for purchase in world.purchases.values()
                if named and (purchase.provider, purchase.external_id) == (self.body["provider"], named)
            ),
            None,
        )

    def refusals(self, world: World, now: datetime) -> set[str]:
        codes = set()
        if self.body["packageId"] not in PACKAGES:
            codes.add("invalid_package")
        if self.body["provider"] not in ("manual", "stripe"):
            codes.add("provider_not_offered")
        earlier = self.earlier(world)
        if earlier and earlier.user != self.user:
            codes.add("external_id_taken")
        return codes

    def status(self, sim: "Simulation") -> int:
        return 200 if self.earlier(sim.world) else 201

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user, shown, earlier = sim.world.users[str(self.user)], body["purchase"], self.earlier(sim.world)
        if earlier:
            expect("the same external id is the first purchase", shown["id"], earlier.id)
            if not self.raced:
                expect("a purchase that is found says the balance", number(body["newBalance"]), user.balance)
            return
        purchase = Purchase(
            shown["id"],
            sim.number,
            user.id,
            self.body["packageId"],
            self.body["provider"],
            shown["externalId"],
            now,
        )
        sim.world.purchases[purchase.id] = purchase
        if purchase.provider == "manual":
            purchase.grant(user, now=now)
        else:
            purchase.session = sim.session_of(shown["checkoutUrl"])
            purchase.payment = f"pi_{purchase.session}"
            at_stripe(sim, purchase, "")
        granted = purchase.credits if purchase.status == "completed" else Decimal(0)
        expect("a purchase is granted when it is paid", number(shown["creditsGranted"]), granted)
        expect("a purchase has its status", shown["status"], purchase.status)
        # One that isn't paid locks nothing: another transaction may have ended since the balance was read.
        if purchase.status == "completed" or not self.raced:
            expect("a purchase says the balance after it", number(body["newBalance"]), user.balance)

    def __str__(self) -> str:
        named = self.body.get("externalId")
        # What has no name of the client's has one that is another in each run.
        named = f" as {named if named.startswith(('order-', 'cs_')) else 'one before'}" if named else ""
        return f"u{self.number} buys {self.body['packageId']} from {self.body['provider']}{named}{keyed(self)}"


def at_stripe(sim: "Simulation", purchase: Purchase, state: str) -> None:
    """Have Stripe tell, when it is asked, what became of a purchase's session."""
    purchase.paid_there = state
    statuses = {"": ("open", "unpaid"), "paid": ("complete", "paid"), "expired": ("expired", "unpaid")}
    status, payment_status = statuses[state]
    about = {"payment_intent": purchase.payment if state == "paid" else None, "amount_total": purchase.cents}
    sim.stripe.became(purchase.session, status=status, payment_status=payment_status, **about)


class LostEvent(Action):
    """A session is paid, or ends unpaid, and no event ever arrives."""

    def __init__(self, purchase: Purchase, state: str) -> None:
        super().__init__()
        self.purchase, self.number, self.state, self.users = purchase.id, purchase.number, state, {purchase.user}

    def run(self) -> Any:
        return None

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note(str(self))
        purchase = sim.world.purchases[self.purchase]
        if not purchase.paid_there:
            at_stripe(sim, purchase, self.state)

    def __str__(self) -> str:
        return f"Stripe: purchase {self.number} is {self.state}, the event is lost"


class Webhook(Call):
    """An event of Stripe's. `effect`: what it says of the purchase."""

    def __init__(
        self, purchase: Purchase, event: dict[str, Any], effect: str, *, signed_at: datetime, fault: str
    ) -> None:
        super().__init__(None, WEBHOOK)
        self.sent = json.dumps(event).encode()
        self.event, self.purchase, self.effect, self.fault = event, purchase.id, effect, fault
        self.number, self.users = purchase.number, {purchase.user}
        self.signed_at = signed_at
        moment = int(signed_at.timestamp())
        secret = b"whsec_another" if fault == "signature" else SECRET
        signature = hmac.new(secret, f"{moment}.".encode() + self.sent, sha256).hexdigest()
        self.headers = {"HTTP_STRIPE_SIGNATURE": f"t={moment},v1={signature}"}

    def refusals(self, world: World, now: datetime) -> set[str]:
        is_old = abs((now - self.signed_at).total_seconds()) > world.rules.signature_seconds
        return {"invalid_signature"} if self.fault == "signature" or is_old else set()

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        purchase = sim.world.purchases[self.purchase]
        if self.event["id"] in purchase.events:
            return
        purchase.events.add(self.event["id"])
        user = sim.world.users[purchase.user]
        about = self.event["data"]["object"]
        if self.effect == "paid":
            purchase.paid(user, about["amount_total"], now=now)
        elif self.effect == "never paid":
            purchase.never_paid()
        elif self.effect == "refunded" and purchase.payment_known:
            # A charge names its payment alone, which nobody knows before it was paid.
            purchase.refunded(user, now=now)

    def __str__(self) -> str:
        kind, about = self.event["type"], f"purchase {self.number}"
        return f"Stripe sends {self.event['id']}, {kind} of {about} ({self.effect}{self.fault and ', '}{self.fault})"


# -- Drawing


def draw_claim(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    return user and ClaimReward(user)


def draw_buy_shares(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    stock = random.choice(list(sim.world.stocks.values()))
    holding = stock.holdings.get(user.id)
    most = max(Decimal(1), user.available / stock.price)
    shares = (most * Decimal(random.random()) / random.choice((1, 2, 10))).quantize(
        random.choice((Decimal(1), Decimal("0.01"), SMALLEST))
    )
    kind = random.random()
    if kind < 0.05:
        shares = random.choice((Decimal(0), Decimal("0.000000001"), stock.supply + 1, stock.supply - stock.circulating))
    elif kind < 0.10:
        shares = most.quantize(SMALLEST) + SMALLEST
    leverage = holding.leverage if holding and random.random() < 0.9 else random.randint(1, stock.max_leverage)
    return BuyShares(user, stock, shares, leverage + stock.max_leverage if random.random() < 0.03 else leverage)


def draw_sell_shares(sim: "Simulation", random: Random) -> Call | None:
    held = [(stock, user) for stock in sim.world.stocks.values() for user in stock.holdings]
    user = sim.somebody(random)
    if user is None or not held:
        return None
    if random.random() < 0.95:
        user = sim.pick(random, {holder: sim.world.users[holder] for _, holder in held}.values())
    stock = random.choice([stock for stock, holder in held if holder == user.id] or list(sim.world.stocks.values()))
    holding = stock.holdings.get(user.id)
    if holding is None:
        return SellShares(user, stock, Decimal(1))
    shares = (holding.shares * Decimal(random.random())).quantize(SMALLEST)
    kind = random.random()
    shares = holding.shares if kind < 0.3 else holding.shares + SMALLEST if kind < 0.35 else shares
    return SellShares(user, stock, shares)


def draw_portfolio(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    return user and Portfolio(user)


def draw_purchase(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    package = random.choice(list(PACKAGES)) if random.random() < 0.97 else "gift"
    body: dict[str, Any] = {"packageId": package, "provider": "stripe" if random.random() < 0.5 else "manual"}
    if random.random() < 0.02:
        body["provider"] = "barter"
    if random.random() < 0.4:
        body["externalId"] = f"order-{sim.number}"
        bought = list(sim.world.purchases.values())
        if bought and random.random() < 0.4:
            again: Purchase = sim.pick(random, bought[-50:])
            body |= {"externalId": again.external_id, "provider": again.provider}
            user = sim.world.users[again.user] if random.random() < 0.7 else user
            body["packageId"] = again.package if random.random() < 0.8 else body["packageId"]
    return Buy(user, body)


def draw_webhook(sim: "Simulation", random: Random) -> Action | None:
    made = [purchase for purchase in sim.world.purchases.values() if purchase.session]
    if not made:
        return None
    purchase: Purchase = sim.pick(random, made[-40:])
    name = sim.new_event()
    if purchase.events and random.random() < 0.25:
        return again(sim, random, purchase)
    if random.random() < 0.12:
        return LostEvent(purchase, random.choice(("paid", "paid", "expired")))
    kind = random.random()
    if kind < 0.6:
        event, effect = session_event(purchase, name, random), "paid"
    elif kind < 0.7:
        event, effect = session_event(purchase, name, random, kind="checkout.session.expired", paid=False), "never paid"
    elif kind < 0.8:
        event, effect = session_event(purchase, name, random, paid=False), "not paid yet"
    else:
        event, effect = refund_event(purchase, name, random)
    fault = "signature" if random.random() < 0.04 else ""
    late = timedelta(seconds=random.choice((0, 0, 0, 0, 250, 300, 301)))
    call = Webhook(purchase, event, effect, signed_at=sim.time.now - late, fault=fault)
    sim.sent_events.append((purchase.id, event, effect))
    return call


def again(sim: "Simulation", random: Random, purchase: Purchase) -> Call | None:
    """Send an event a second time, with a signature of now."""
    sent = [(event, effect) for of, event, effect in sim.sent_events if of == purchase.id]
    if not sent:
        return None
    event, effect = random.choice(sent)
    return Webhook(purchase, event, effect, signed_at=sim.time.now, fault="")


def session_event(
    purchase: Purchase, name: str, random: Random, *, kind: str = "checkout.session.completed", paid: bool = True
) -> dict[str, Any]:
    cents = purchase.cents if random.random() < 0.93 else purchase.cents - 1
    about = {
        "id": purchase.session,
        "object": "checkout.session",
        "payment_status": "paid" if paid else "unpaid",
        "payment_intent": purchase.payment,
        "amount_total": cents,
        "currency": "usd",
    }
    return {"id": name, "object": "event", "type": kind, "data": {"object": about}}


def refund_event(purchase: Purchase, name: str, random: Random) -> tuple[dict[str, Any], str]:
    is_full = random.random() < 0.7
    about = {
        "id": f"ch_{purchase.number}",
        "object": "charge",
        "amount": purchase.cents,
        "amount_refunded": purchase.cents if is_full else 100,
        "refunded": is_full,
        "currency": "usd",
        "payment_intent": purchase.payment,
        "metadata": {},
    }
    effect = "refunded" if is_full else "refunded in part"
    return {"id": name, "object": "event", "type": "charge.refunded", "data": {"object": about}}, effect
