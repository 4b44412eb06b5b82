"""The title and the body of each type of notification, made of its `data` when it is read.

`data` has what a client links to, and the words as they were at the time, as a market's title. Decimals are credits.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from notifications.models import NotificationType

Data = Mapping[str, Any]
Type = NotificationType
# The type of what staff announce, beside those of NotificationType.
ANNOUNCEMENT = "announcement"


class Message(NamedTuple):
    title: str
    body: str


def render(notification_type: str, data: Data) -> Message:
    """Return the words for a user, in English."""
    return MESSAGES[Type(notification_type)](data)


def credits(amount: Decimal | int) -> str:  # noqa: A001 - the unit's name; Python's own prints a licence
    """Return `1 credit`, `1,500 credits` or `66.67 credits`."""
    shown = f"{amount:,.2f}".removesuffix(".00")
    return f"{shown} credit{'' if amount == 1 else 's'}"


def bet_won(data: Data) -> Message:
    return Message(
        f"You won: {data['marketTitle']}",
        f"It resolved as {data['outcome']}. Your stake of {credits(data['stake'])} paid {credits(data['payout'])}.",
    )


def bet_lost(data: Data) -> Message:
    return Message(
        f"You lost: {data['marketTitle']}",
        f"It resolved as {data['outcome']}. Your stake of {credits(data['stake'])} is lost.",
    )


def bet_refunded(data: Data) -> Message:
    return Message(
        f"Stake returned: {data['marketTitle']}",
        f"The market ended without a winner. You have your {credits(data['payout'])} back.",
    )


def settlement_reversed(data: Data) -> Message:
    taken = f" The {credits(data['payout'])} that it paid were taken back." if data["payout"] else ""
    return Message(
        f"Result undone: {data['marketTitle']}",
        f"The result was wrong, and your bet of {credits(data['stake'])} is open again.{taken}",
    )


def daily_reward(data: Data) -> Message:
    return Message(
        f"Daily reward: {credits(data['amount'])}", f"Day {data['day']:,} of your streak. Come back tomorrow for more."
    )


def referral_joined(data: Data) -> Message:
    earned = f" You earned {credits(data['amount'])}." if data["amount"] else ""
    return Message("Your referral code was used", f"Somebody signed up with your code.{earned}")


def stock_liquidated(data: Data) -> Message:
    return Message(
        f"{data['symbol']} position closed",
        f"Your shares became worthless. The {credits(data['invested'])} that you invested are lost.",
    )


def purchase_completed(data: Data) -> Message:
    return Message("Purchase complete", f"{credits(data['amount'])} were added to your balance. Thank you!")


def purchase_refunded(data: Data) -> Message:
    return Message("Purchase refunded", f"The {credits(data['amount'])} of the purchase were taken back.")


def credits_adjusted(data: Data) -> Message:
    given = data["amount"] > 0
    verb = "added to" if given else "taken from"
    return Message(
        f"Credits {'added' if given else 'taken'}", f"Our staff {verb} your balance: {credits(abs(data['amount']))}."
    )


def market_closing(data: Data) -> Message:
    return Message(f"Ending soon: {data['marketTitle']}", "A market that you have an open bet on ends within the hour.")


MESSAGES: dict[NotificationType, Callable[[Data], Message]] = {
    Type.BET_WON: bet_won,
    Type.BET_LOST: bet_lost,
    Type.BET_REFUNDED: bet_refunded,
    Type.SETTLEMENT_REVERSED: settlement_reversed,
    Type.DAILY_REWARD: daily_reward,
    Type.REFERRAL_JOINED: referral_joined,
    Type.STOCK_LIQUIDATED: stock_liquidated,
    Type.PURCHASE_COMPLETED: purchase_completed,
    Type.PURCHASE_REFUNDED: purchase_refunded,
    Type.CREDITS_ADJUSTED: credits_adjusted,
    Type.MARKET_CLOSING: market_closing,
}
