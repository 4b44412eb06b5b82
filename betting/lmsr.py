"""The logarithmic market scoring rule (Hanson): how the price of a house market moves as shares are bought and sold.

A share of a side pays 1 credit if the side wins. With x = tilt + (q_this - q_that) / b the price of THIS is
1 / (1 + e^-x), where q are the shares that users have and `tilt` is what makes the first price the one that staff
chose. It is the derivative of the cost C(q) = b ln(p e^(q_this / b) + (1 - p) e^(q_that / b)), p being that first
price, so what a bet costs is the difference of two costs, in whichever steps it is bought. From a price p

    n shares cost                 b ln(1 - p + p e^(n / b))
    so that A credits buy         b ln(1 + (e^(A / b) - 1) / p)
    and move the price to         1 - (1 - p) e^(-A / b)

C(q) >= max(q) - b ln(1 / min(p, 1 - p)): that last term is the subsidy, the most that the house can lose, whatever is
traded and whichever side wins.

All of it is Decimal in a context of its own, the same on every machine. It is rounded at one place, `against_trader`:
shares that are bought and credits that a sale brings, to hundredths. What users paid is therefore never less than C(q).
"""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_FLOOR, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

CONTEXT = Context(prec=50, traps=[DivisionByZero, InvalidOperation, Overflow])
CENT = Decimal("0.01")
ZERO, ONE = Decimal(0), Decimal(1)
# Far more than what 50 digits lose, far less than a hundredth: what is a hundredth but for lost digits isn't one.
DIGITS_LOST = Decimal("1e-15")
B_STEP, TILT_STEP = Decimal("1e-8"), Decimal("1e-20")
# Staff may begin with odds between these, and no bet moves its side beyond the upper one. A sale may: who bought can
# always sell.
LOWEST_ODDS, HIGHEST_ODDS = Decimal("0.01"), Decimal("0.99")


class BeyondLimit(Exception):
    """A bet would move the price of its side beyond HIGHEST_ODDS."""


@dataclass(frozen=True, slots=True)
class Trade:
    """Shares, and the credits that they cost or bring; the price of the side before and after."""

    shares: Decimal
    credits: Decimal
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Curve:
    """The prices of a market. `b`: its liquidity; `q_this`, `q_that`: the shares that users have."""

    b: Decimal
    tilt: Decimal
    q_this: Decimal
    q_that: Decimal

    def price(self, *, is_this: bool) -> Decimal:
        """Return the price of the side: above 0 and below 1, with all digits."""
        with localcontext(CONTEXT):
            x = self.tilt + (self.q_this - self.q_that) / self.b
            return ONE / (ONE + (-x if is_this else x).exp())

    def buy(self, amount: Decimal, *, is_this: bool) -> Trade:
        """Return what a bet of `amount` credits buys. Raises BeyondLimit."""
        with localcontext(CONTEXT):
            before, other = self.price(is_this=is_this), self.price(is_this=not is_this)
            if ONE - other * (-amount / self.b).exp() > HIGHEST_ODDS:
                raise BeyondLimit
            shares = against_trader(self.b * (ONE + ((amount / self.b).exp() - ONE) / before).ln())
            after = self.with_shares(shares, is_this=is_this).price(is_this=is_this)
            return Trade(shares, amount, before, after)

    def sell(self, shares: Decimal, *, is_this: bool) -> Trade:
        """Return what the sale of so many shares of the side brings."""
        with localcontext(CONTEXT):
            before, other = self.price(is_this=is_this), self.price(is_this=not is_this)
            brings = against_trader(-self.b * (other + before * (-shares / self.b).exp()).ln())
            after = self.with_shares(-shares, is_this=is_this).price(is_this=is_this)
            return Trade(shares, brings, before, after)

    def with_shares(self, shares: Decimal, *, is_this: bool) -> "Curve":
        """Return the curve once users have so many shares more of the side."""
        if is_this:
            return replace(self, q_this=self.q_this + shares)
        return replace(self, q_that=self.q_that + shares)

    def deepened(self, *, subsidy: Decimal, collected: Decimal) -> "Curve":
        """Return the curve with the liquidity that a larger `subsidy` gives, at the same price.

        `collected`: what users paid for bets, less what sales brought. Users are owed `q` if a side wins, so from here
        on the house may lose `subsidy + collected - q` of it.
        """
        with localcontext(CONTEXT):
            p_this, p_that = self.price(is_this=True), self.price(is_this=False)
            left = subsidy + collected
            b = liquidity(min((left - self.q_this) / -p_this.ln(), (left - self.q_that) / -p_that.ln()))
            tilt = (p_this / p_that).ln() - (self.q_this - self.q_that) / b
            return replace(self, b=b, tilt=tilt.quantize(TILT_STEP))


def first_curve(*, odds: Decimal, subsidy: Decimal) -> Curve:
    """Return the curve of a market that begins with these odds of THIS, and loses at most `subsidy`."""
    with localcontext(CONTEXT):
        tilt = (odds / (ONE - odds)).ln().quantize(TILT_STEP)
        return Curve(liquidity(subsidy / -min(odds, ONE - odds).ln()), tilt, ZERO, ZERO)


def liquidity(exact: Decimal) -> Decimal:
    """Return `b` as it is stored: rounded down, so that the house loses no more than the subsidy."""
    return exact.quantize(B_STEP, ROUND_DOWN)


def against_trader(exact: Decimal) -> Decimal:
    """Return shares that are bought, or credits that a sale brings, rounded down to hundredths; never below 0."""
    return max((exact - DIGITS_LOST).quantize(CENT, ROUND_FLOOR), ZERO)
