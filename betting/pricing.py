"""What a bet pays, and what a position is worth: pure Decimals, rounded down to the cent, in the house's favour.

Formulas: `potentialPayout = amount / odds`; value of a position `stake * currentOdds / oddsAtBet` (the API's contract).

Down to the cent is exact. Odds are whole ten-thousandths, so each quotient of cents has a denominator below 10,000, and
what isn't a whole cent is at least 1/10,000 of a cent away from one: far more than the 28 digits of a Decimal lose.
"""

from decimal import ROUND_DOWN, Decimal

CENT = Decimal("0.01")


def potential_payout(amount: Decimal, odds: Decimal) -> Decimal:
    """Credits that a winning stake of `amount` pays, at odds between 0 and 1."""
    return (amount / odds).quantize(CENT, ROUND_DOWN)


def position_value(stake: Decimal, *, current_odds: Decimal, odds_at_bet: Decimal) -> Decimal:
    """Credits that a stake is worth now. Its parts, each rounded down, never add up to more than the whole."""
    return (stake * current_odds / odds_at_bet).quantize(CENT, ROUND_DOWN)


def can_be_bet_on(odds: Decimal) -> bool:
    """At 0 a payout has no bound, at 1 there is nothing to win."""
    return 0 < odds < 1
