"""A market that prices itself, by the definition of its cost (docs/adr/0020-market-makers.md): no closed form is used."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Context, Decimal, localcontext

from tests.simulation.model.rules import CENT, ONE, ZERO

PRECISE = Context(prec=70)
STEP = Decimal("0.0001")
HIGHEST = Decimal("0.99")
B_STEP, TILT_STEP = Decimal("1e-8"), Decimal("1e-20")


@dataclass(frozen=True, slots=True)
class Dealt:
    """A bet or sale: shares, credits, and the average price as it is shown."""

    shares: Decimal
    credits: Decimal
    odds: Decimal


@dataclass(slots=True)
class Maker:
    """Shares that users have by side, what was paid for them less what sales brought, and the stakes that are open."""

    b: Decimal
    tilt: Decimal
    subsidy: Decimal
    this: Decimal = ZERO
    that: Decimal = ZERO
    collected: Decimal = ZERO
    open_stake: Decimal = ZERO

    @classmethod
    def begin(cls, odds: Decimal, subsidy: Decimal) -> "Maker":
        with localcontext(PRECISE):
            b = (subsidy / -min(odds, ONE - odds).ln()).quantize(B_STEP, ROUND_DOWN)
            return cls(b, (odds.ln() - (ONE - odds).ln()).quantize(TILT_STEP), subsidy)

    def cost(self, this: Decimal, that: Decimal) -> Decimal:
        """Return the cost of so many shares more of each side, from an arbitrary point on."""
        with localcontext(PRECISE):
            return self.b * (((self.this + this) / self.b + self.tilt).exp() + ((self.that + that) / self.b).exp()).ln()

    def cost_with(self, shares: Decimal, side: str) -> Decimal:
        return self.cost(shares, ZERO) if side == "this" else self.cost(ZERO, shares)

    def price(self, side: str, *, after: Decimal = ZERO) -> Decimal:
        """Return the price of the side, once users have so many shares more of it."""
        with localcontext(PRECISE):
            this, that = (after, ZERO) if side == "this" else (ZERO, after)
            ratio = ((self.this + this - self.that - that) / self.b + self.tilt).exp()
            price = ratio / (ONE + ratio)
            return price if side == "this" else ONE - price

    def shown(self, side: str) -> Decimal:
        this = min(max(self.price("this").quantize(STEP), STEP), ONE - STEP)
        return this if side == "this" else ONE - this

    def buying(self, side: str, amount: Decimal, *, most_slippage: Decimal | None) -> Dealt | str:
        """Return what a bet buys, or the code of its refusal; the shares by halving the hundredths between bounds."""
        before = self.price(side)
        if before.quantize(STEP) >= HIGHEST:
            return "market_not_accepting"
        low, high = 0, int(amount / before * 100) + 1
        with localcontext(PRECISE):
            most = self.cost(ZERO, ZERO) + amount
        while low + 1 < high:
            middle = (low + high) // 2
            if self.cost_with(middle * CENT, side) <= most:
                low = middle
            else:
                high = middle
        shares = low * CENT
        # The limit is about what the credits would buy exactly, which is less than a hundredth more.
        with localcontext(PRECISE):
            if ONE - (ONE - before) * (-amount / self.b).exp() > HIGHEST:
                return "slippage_too_high"
            if most_slippage is not None and amount > (before + most_slippage) * shares:
                return "slippage_too_high"
        return Dealt(shares, amount, (amount / shares).quantize(STEP, ROUND_CEILING))

    def selling(self, side: str, shares: Decimal) -> Dealt:
        with localcontext(PRECISE):
            brings = self.cost(ZERO, ZERO) - self.cost_with(-shares, side)
        brings = max(brings.quantize(CENT, ROUND_DOWN), ZERO)
        return Dealt(shares, brings, max((brings / shares).quantize(STEP, ROUND_DOWN), STEP))

    def move(self, side: str, shares: Decimal, paid: Decimal, stake: Decimal) -> None:
        if side == "this":
            self.this += shares
        else:
            self.that += shares
        self.collected += paid
        self.open_stake += stake

    def deepen(self, amount: Decimal) -> None:
        """Add to the subsidy, at the price of now: what may be lost from here on is what is left of it all."""
        with localcontext(PRECISE):
            left = self.subsidy + amount + self.collected
            owed = {"this": self.this, "that": self.that}
            b = min((left - owed[side]) / -self.price(side).ln() for side in owed).quantize(B_STEP, ROUND_DOWN)
            log_odds = self.price("this").ln() - self.price("that").ln()
            self.tilt = (log_odds - (self.this - self.that) / b).quantize(TILT_STEP)
            self.b, self.subsidy = b, self.subsidy + amount

    def refund(self, stake: Decimal) -> Decimal:
        """Return what a stake gets back of a market that ends in neither side."""
        with localcontext(PRECISE):
            left = min(self.subsidy + self.collected, self.open_stake)
            return (stake * left / self.open_stake).quantize(CENT, ROUND_DOWN)
