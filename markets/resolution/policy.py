"""Whether a market is over, and who won: pure functions of what Polymarket's two sources said. No I/O, no time.

The rules: Polymarket API reference, Gamma markets (`closed`, `outcomePrices`, `umaResolutionStatus`) and CLOB markets
(`tokens[].winner`, `is_50_50_outcome`). The planned end plays no part, and a price is a result only when it is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from markets.polymarket import values
from markets.polymarket.parsing import CATEGORY_MAX, ID_MAX, ParsedMarket, Skipped

WAITING_STATUSES: Final = ("requested", "proposed", "disputed")
HALF: Final = Decimal("0.5")
OPEN_UPSTREAM: Final = "Open."

Tokens = tuple[str, str]


class Outcome(StrEnum):
    OPEN = "open"
    WAITING = "waiting"  # closed, with a result that is still open among the oracle's voters
    THIS = "this"
    THAT = "that"
    INVALID = "invalid"  # 50-50: stakes go back
    UNKNOWN = "unknown"  # the upstream tells no outcome
    UNCONFIRMED = "unconfirmed"  # the second source doesn't tell yet
    DISAGREEMENT = "disagreement"  # the second source says otherwise
    HELD = "held"  # confirmed, but staff undid this very result before


RESULTS: Final = frozenset({Outcome.THIS, Outcome.THAT, Outcome.INVALID})


@dataclass(frozen=True, slots=True)
class UpstreamOutcome:
    """What the upstream says about the outcome, and why: the same text for as long as nothing changes."""

    outcome: Outcome
    reason: str

    @property
    def is_result(self) -> bool:
        return self.outcome in RESULTS


def decide(market: ParsedMarket | Skipped | None, tokens: Tokens) -> UpstreamOutcome:
    """Return what Gamma's object says; None means that Gamma doesn't know the market.

    `tokens` are those of THIS and THAT, as they are bet on.
    """
    if market is None:
        return UpstreamOutcome(Outcome.UNKNOWN, "Polymarket's catalogue doesn't know this market.")
    if isinstance(market, Skipped):
        return UpstreamOutcome(Outcome.UNKNOWN, f"Polymarket's object can't be judged: {market.reason}.")
    if (market.this_token_id, market.that_token_id) != tokens:
        return UpstreamOutcome(Outcome.UNKNOWN, "The options aren't those that were bet on.")
    status = stated_status(market.upstream_facts)
    if not market.closed:
        return UpstreamOutcome(Outcome.OPEN, f"Open, {status}." if status in WAITING_STATUSES else OPEN_UPSTREAM)
    if status in WAITING_STATUSES:
        return UpstreamOutcome(Outcome.WAITING, f"Closed, {status}.")
    return by_prices(market.upstream_facts.get("outcomePrices"), status)


def stated_status(facts: Mapping[str, values.JSON]) -> str:
    """Return `umaResolutionStatus`, or "disputed" from the history: there resolved markets still say "proposed"."""
    status = values.as_text(facts.get("umaResolutionStatus"), CATEGORY_MAX).lower()
    history = values.as_list(facts.get("umaResolutionStatuses")) or [""]
    last = values.as_text(history[-1], CATEGORY_MAX).lower()
    return status or (last if last == "disputed" else "")


def by_prices(sent: object, status: str) -> UpstreamOutcome:
    """Return what the prices of a closed market say. They are compared as they were sent: 0.99999 is not 1."""
    if status not in ("", "resolved"):
        return UpstreamOutcome(Outcome.UNKNOWN, "Closed, with a status that isn't known.")
    prices = [values.as_decimal(price) for price in values.as_list(sent) or []]
    if prices == [1, 0]:
        return UpstreamOutcome(Outcome.THIS, "Closed at 1 and 0.")
    if prices == [0, 1]:
        return UpstreamOutcome(Outcome.THAT, "Closed at 0 and 1.")
    if prices == [HALF, HALF] and status == "resolved":
        return UpstreamOutcome(Outcome.INVALID, "Resolved at 0.5 and 0.5.")
    return UpstreamOutcome(Outcome.UNKNOWN, "Closed, and the prices tell no result.")


def confirm(first: UpstreamOutcome, clob: object, tokens: Tokens) -> UpstreamOutcome:
    """Return the result that `first` is, if the CLOB's market says the same; otherwise UNCONFIRMED or DISAGREEMENT."""
    second = second_source(clob, tokens)
    if second.outcome == first.outcome:
        return UpstreamOutcome(first.outcome, f"{first.reason} Confirmed: {second.reason}")
    if second.is_result:
        second = UpstreamOutcome(Outcome.DISAGREEMENT, second.reason)
    return UpstreamOutcome(second.outcome, f"{first.reason} The second source: {second.reason}")


def second_source(clob: object, tokens: Tokens) -> UpstreamOutcome:
    """Return what the CLOB's market says: a result, UNCONFIRMED for none yet, DISAGREEMENT for a contradiction."""
    market = values.as_mapping(clob)
    if values.as_flag(market.get("closed")) is not True:
        return UpstreamOutcome(Outcome.UNCONFIRMED, "not closed." if market else "doesn't know the market.")
    by_id = tokens_by_id(market.get("tokens"))
    if set(by_id) != set(tokens):
        return UpstreamOutcome(Outcome.DISAGREEMENT, "other options.")
    winners = [values.as_flag(by_id[token].get("winner")) for token in tokens]
    if None in winners:
        return UpstreamOutcome(Outcome.UNCONFIRMED, "unreadable.")
    even = values.as_flag(market.get("is_50_50_outcome")) is True
    if any(winners):
        return by_winner(winners, even=even)
    prices = [values.as_decimal(by_id[token].get("price")) for token in tokens]
    # The flag is sometimes false on a true 50-50.
    if even or prices == [HALF, HALF]:
        return UpstreamOutcome(Outcome.INVALID, "a 50-50.")
    return UpstreamOutcome(Outcome.UNCONFIRMED, "no winner yet.")


def tokens_by_id(sent: object) -> dict[str, Mapping[str, object]]:
    tokens = [values.as_mapping(token) for token in values.as_list(sent) or []]
    return {values.as_identifier(token.get("token_id"), ID_MAX): token for token in tokens}


def by_winner(winners: list[bool | None], *, even: bool) -> UpstreamOutcome:
    if all(winners) or even:
        return UpstreamOutcome(Outcome.DISAGREEMENT, "more than one result.")
    return UpstreamOutcome(Outcome.THIS, "THIS won.") if winners[0] else UpstreamOutcome(Outcome.THAT, "THAT won.")
