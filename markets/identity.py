"""What a mirrored market is: two tokens and the words of its options, and why one that isn't that takes no orders.

Once somebody has bet on a market (`MarketTerms`) that never changes here. An object of Polymarket's that lists its
outcomes, prices and tokens in another order is mapped back by token id; any other difference is a problem: nothing of
the object is applied, and the market is suspended until the difference is gone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeGuard

from markets.polymarket import values
from markets.polymarket.books import mirrored_price
from markets.polymarket.parsing import Odds, ParsedMarket, Skipped, SkipReason

Pair = tuple[str, str]

# Why Polymarket's object is no market any more, by the reason for which it was skipped. The other reasons say that
# something couldn't be read this time, and leave the market as it is.
WITHDRAWN: Final[Mapping[SkipReason, str]] = {
    SkipReason.inactive: "Polymarket made it inactive.",
    SkipReason.archived: "Polymarket archived it.",
    SkipReason.no_question: "Polymarket shows no question.",
    SkipReason.bad_outcomes: "Polymarket shows no two different options.",
    SkipReason.not_binary: "Polymarket shows more than two options.",
    SkipReason.no_tokens: "Polymarket shows no two different tokens.",
}
GONE: Final = "Polymarket doesn't know it any more."
OTHER_TOKENS: Final = "Its tokens at Polymarket aren't those that were bet on."
OTHER_WORDS: Final = "Its options at Polymarket aren't those that were bet on"
TOKENS_REORDERED: Final = "Polymarket lists its tokens in another order, but not its options."
OPTIONS_REORDERED: Final = "Polymarket lists its options in another order, but not its tokens."
PRICES_REORDERED: Final = "Polymarket lists its prices in another order, or they swapped places at once."
# Follows one of the above: then the resolution looks at the market, however far off its planned end is.
CLOSED_THERE: Final = " Polymarket has closed it."

# -- In SQL, for rows `best` (what was staged), `stored` (the market) and `terms` (null where nobody has bet)


def pairs_equal(names: Pair, others: Pair) -> str:
    """Return the condition that `best` has in `names` what is stored in `others`."""
    return " AND ".join(f"best.{name} = stored.{other}" for name, other in zip(names, others, strict=True))


def words_equal(names: Pair, others: Pair) -> str:
    """Return the condition that words are equal but for case and spacing."""

    def plain(column: str) -> str:
        return rf"lower(regexp_replace({column}, '\s', '', 'g'))"

    return " AND ".join(
        f"(best.{name} = stored.{other} OR {plain(f'best.{name}')} = {plain(f'stored.{other}')})"
        for name, other in zip(names, others, strict=True)
    )


TOKENS: Final = ("this_token_id", "that_token_id")
OPTIONS: Final = ("this_option", "that_option")
TERMS: Final = (*OPTIONS, *TOKENS)
SAME_TOKENS: Final = pairs_equal(TOKENS, TOKENS)
SWAPPED_TOKENS: Final = pairs_equal(TOKENS, (TOKENS[1], TOKENS[0]))
SAME_WORDS: Final = words_equal(OPTIONS, OPTIONS)
SWAPPED_WORDS: Final = words_equal(OPTIONS, (OPTIONS[1], OPTIONS[0]))

# Prices alone in another order look like a move to the opposite. So large and exact a one isn't believed where the
# order book didn't tell it: that is asked, and what it says then counts.
SWAP_DISTANCE, SWAP_TOLERANCE = "0.10", "0.02"
SWAPPED_PRICES: Final = f"""(
    abs(CASE WHEN {SWAPPED_TOKENS} THEN best.that_odds ELSE best.this_odds END - stored.this_odds) >= {SWAP_DISTANCE}
    AND abs(CASE WHEN {SWAPPED_TOKENS} THEN best.that_odds ELSE best.this_odds END - stored.that_odds)
        <= {SWAP_TOLERANCE}
)"""


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# `{usable}`: whether the odds that were sent are to be taken.
PROBLEM: Final = f"""CASE
    WHEN best.problem <> '' THEN best.problem
    WHEN terms.market_id IS NULL THEN ''
    WHEN ({SAME_TOKENS} AND {SAME_WORDS}) OR ({SWAPPED_TOKENS} AND {SWAPPED_WORDS}) THEN
        CASE WHEN {{usable}} AND NOT best.closed AND {SWAPPED_PRICES} THEN {quoted(PRICES_REORDERED)} ELSE '' END
    ELSE CASE
        WHEN NOT ({SAME_TOKENS}) AND NOT ({SWAPPED_TOKENS}) THEN {quoted(OTHER_TOKENS)}
        WHEN {SAME_WORDS} THEN {quoted(TOKENS_REORDERED)}
        WHEN {SWAPPED_WORDS} THEN {quoted(OPTIONS_REORDERED)}
        ELSE {quoted(OTHER_WORDS)} || ': “' || best.this_option || '” and “' || best.that_option || '”.'
    END || CASE WHEN best.closed THEN {quoted(CLOSED_THERE)} ELSE '' END
END"""


# -- In Python, for one market


class Identity(NamedTuple):
    """What is stored of a market; `options` are None where nobody has bet, so that other words don't matter."""

    tokens: Pair
    options: Pair | None


def withdrawn(skipped: Skipped) -> str:
    """Return why an object that was skipped is no market any more; empty where it just couldn't be read."""
    return WITHDRAWN.get(skipped.reason, "") if skipped.polymarket_id else ""


def has_tokens(market: object, tokens: Pair) -> TypeGuard[ParsedMarket]:
    """Return whether the parsed object has these tokens, in either order."""
    return isinstance(market, ParsedMarket) and {market.this_token_id, market.that_token_id} == set(tokens)


def problem_of(market: ParsedMarket, identity: Identity) -> str:
    """Return why the object isn't the market that is stored; empty where it is, perhaps in another order."""
    if not has_tokens(market, identity.tokens):
        return OTHER_TOKENS
    if identity.options is None:
        return ""
    swapped = is_swapped(market, identity)
    sent, stored = plain_words((market.this_option, market.that_option)), plain_words(identity.options)
    if sent == (stored[::-1] if swapped else stored):
        return ""
    if sent in (stored, stored[::-1]):
        return TOKENS_REORDERED if swapped else OPTIONS_REORDERED
    return f"{OTHER_WORDS}: “{market.this_option}” and “{market.that_option}”."


def is_swapped(market: ParsedMarket, identity: Identity) -> bool:
    return (market.this_token_id, market.that_token_id) == identity.tokens[::-1]


def plain_words(options: Pair) -> Pair:
    this, that = ("".join(option.split()).casefold() for option in options)
    return this, that


def in_stored_order(market: ParsedMarket, identity: Identity) -> ParsedMarket:
    """Return the object with THIS and THAT as they are stored: mapped back by token id where they were swapped."""
    if not is_swapped(market, identity):
        return market
    facts = dict(market.upstream_facts)
    for name in ("outcomes", "outcomePrices"):
        listed = values.as_list(facts.get(name))
        if listed is not None:
            facts[name] = values.verbatim(listed[::-1])
    return replace(
        market,
        this_token_id=market.that_token_id,
        that_token_id=market.this_token_id,
        this_option=market.that_option,
        that_option=market.this_option,
        odds=market.odds and Odds(this=market.odds.that, that=market.odds.this),
        bid=mirrored_price(market.ask),
        ask=mirrored_price(market.bid),
        last_trade=mirrored_price(market.last_trade),
        upstream_facts=facts,
    )
