"""What Polymarket really sent about markets that are over, and what follows from it.

Where no recordings lie beside the repository, the same tests run on the objects written here, of the same shapes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from markets.polymarket.parsing import ParsedMarket, parse_market
from markets.polymarket.values import as_list
from markets.resolution.policy import Outcome, UpstreamOutcome, confirm, decide, second_source
from tests.markets.polymarket.market_objects import closed_market

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "polymarket" / "recorded"
CLOB_FILES = ("clob_market_closed_binary_accepting_false.json", "clob_markets_subset_incl_50_50_2025-05.json")
TOKENS = ("11", "22")

# By the end of the condition id: what the catalogue's object of a closed market says.
RECORDED_ENDS = {
    "8478bb6": "that",  # status "resolved", its history ends in "proposed"
    "64f6c10f0": "this",
    "c557fdce1": "that",
    "45e901570": "that",
    "545d87": "unknown",  # Long/Short, in between
    "15f7a9": "unknown",  # 0 and 0
    "daedd606": "unknown",  # three outcomes
}


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Every market in a file, also those nested in events; fractions exact."""
    waiting = [json.loads(path.read_text(), parse_float=Decimal)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            if "conditionId" in item or "condition_id" in item:
                yield item
            else:
                waiting += item.values()


def recorded_closed() -> dict[str, dict[str, Any]]:
    files = sorted(RECORDED.glob("gamma*.json"))
    return {raw["conditionId"]: raw for path in files for raw in objects(path) if raw.get("closed")}


def written(expected: str, **fields: Any) -> tuple[dict[str, Any], str]:
    return closed_market(clobTokenIds=json.dumps(TOKENS), **fields), expected


WRITTEN = [
    written("this", outcomePrices='["1", "0"]', umaResolutionStatus="resolved"),
    written("that", outcomePrices='["0", "1"]', umaResolutionStatus="resolved", umaResolutionStatuses='["proposed"]'),
    written("invalid", outcomePrices='["0.5", "0.5"]', umaResolutionStatus="resolved"),
    written("waiting", outcomePrices='["1", "0"]', umaResolutionStatus="Disputed"),
    written("waiting", outcomePrices='["1", "0"]', umaResolutionStatus=None, umaResolutionStatuses='["disputed"]'),
    written("this", outcomePrices=["1", "0"], umaResolutionStatus=None, umaResolutionStatuses=["proposed"]),
    written("this", outcomePrices='["1.000", "0.0"]', umaResolutionStatus="resolved"),
    written("unknown", outcomePrices='["0", "0"]', umaResolutionStatus="resolved"),
    written("unknown", outcomePrices='["1"]', umaResolutionStatus="resolved"),
    written("unknown", outcomePrices="nonsense", umaResolutionStatus="resolved"),
    written("unknown", outcomePrices='["0.58433", "0.41567"]', umaResolutionStatus="resolved"),
    written("unknown", outcomes='["A", "B", "C"]', outcomePrices='["1", "0", "0"]', umaResolutionStatus="resolved"),
    written("unknown", closed="perhaps", outcomePrices='["1", "0"]', umaResolutionStatus="resolved"),
]


def tokens_of(raw: dict[str, Any]) -> tuple[str, str]:
    this, that, *_ = [*(as_list(raw.get("clobTokenIds")) or []), "", ""]
    return str(this), str(that)


def recorded_cases() -> list[tuple[dict[str, Any], str]]:
    ends = recorded_closed()
    cases = [
        (raw, expected)
        for tail, expected in RECORDED_ENDS.items()
        for reference, raw in ends.items()
        if reference.endswith(tail)
    ]
    assert len(cases) == len(ends) == len(RECORDED_ENDS), "every recorded closed object is in the table, once"
    return cases


def test_the_catalogues_closed_markets():
    """Lesson 22: the table that decides is held against what upstream really sends about closed markets."""
    for raw, expected in [*WRITTEN, *(recorded_cases() if RECORDED.is_dir() else [])]:
        decision = decide(parse_market(raw), tokens_of(raw))
        assert decision.outcome == expected, (raw, decision)


def test_no_recorded_open_market_is_over():
    """A quarter of them are past their planned end."""
    raws = [closed_market(closed=False, clobTokenIds=json.dumps(TOKENS), outcomePrices='["0.9999", "0.0001"]')]
    if RECORDED.is_dir():
        raws += [raw for path in sorted(RECORDED.glob("gamma*.json")) for raw in objects(path) if not raw.get("closed")]
        assert len(raws) > 100
    for raw in raws:
        market = parse_market(raw)
        outcome = decide(market, tokens_of(raw)).outcome
        # Placeholders without a name can't be parsed, and aren't ours.
        assert outcome == (Outcome.OPEN if isinstance(market, ParsedMarket) else Outcome.UNKNOWN)


def clob(winners=(False, False), prices=("0.5", "0.5"), **fields: Any) -> dict[str, Any]:
    told = zip(TOKENS, winners, prices, strict=True)
    tokens = [{"token_id": token, "winner": winner, "price": Decimal(price)} for token, winner, price in told]
    return {"closed": True, "is_50_50_outcome": False, "tokens": tokens} | fields


CLOB_TABLE = [
    (clob((True, False), ("1", "0")), "this"),
    (clob((False, True), ("0", "1")), "that"),
    (clob((False, False), ("0.5", "0.5"), is_50_50_outcome=True), "invalid"),
    (clob((False, False), ("0.5", "0.5")), "invalid"),
    # Real ones: closed long ago, the price decided, and no winner told. Prices don't confirm.
    (clob((False, False), ("1", "0")), "unconfirmed"),
    (clob((False, False), ("0", "0")), "unconfirmed"),
    (clob((False, False), ("0.9693", "0.0307")), "unconfirmed"),
    (clob((True, False), ("1", "0"), closed=False), "unconfirmed"),
    (clob((False, False), ("0.5", "0.5"), closed=False), "unconfirmed"),
    (clob((None, None), ("1", "0")), "unconfirmed"),
    (clob((False, None), ("0.5", "0.5")), "unconfirmed"),
    (clob((True, True), ("1", "1")), "disagreement"),
    (clob((True, False), ("1", "0"), is_50_50_outcome=True), "disagreement"),
    (clob(tokens=[]), "disagreement"),
    (clob(tokens="nonsense"), "disagreement"),
    (clob((True, False), ("1", "0"), tokens=[{"token_id": "33", "winner": True}]), "disagreement"),
    (None, "unconfirmed"),
    ([], "unconfirmed"),
    ({}, "unconfirmed"),
]


@pytest.mark.parametrize(("said", "expected"), CLOB_TABLE)
def test_the_second_source(said, expected):
    assert second_source(said, TOKENS).outcome == expected


def test_the_second_source_is_read_by_token_and_not_by_place():
    swapped = clob((True, False), ("1", "0"))
    swapped["tokens"].reverse()
    assert second_source(swapped, TOKENS).outcome == "this"
    assert second_source(clob((True, False), ("1", "0")), (TOKENS[1], TOKENS[0])).outcome == "that"


def test_the_recorded_second_source():
    """109 markets of May 2025 and one of 2026, by what their flags say; open and abandoned ones confirm nothing."""
    if not RECORDED.is_dir():
        assert second_source(clob((False, True), ("0", "1")), TOKENS).outcome == "that"
        return
    outcomes: Counter[str] = Counter()
    for raw in (raw for name in CLOB_FILES for raw in objects(RECORDED / name)):
        this, that = (token["token_id"] for token in raw["tokens"])
        outcome = second_source(raw, (this, that)).outcome
        outcomes[outcome] += 1
        winners = [token["winner"] for token in raw["tokens"]]
        if outcome in ("this", "that"):
            assert winners == [outcome == "this", outcome == "that"]
        if outcome == "invalid":
            assert [token["price"] for token in raw["tokens"]] == [Decimal("0.5")] * 2
    assert outcomes == {"this": 9, "that": 17, "invalid": 9, "unconfirmed": 75}


def test_a_recorded_market_is_confirmed_by_its_own_second_source_and_by_no_other():
    raw, own = WRITTEN[1][0], clob((False, True), ("0", "1"))
    if RECORDED.is_dir():
        (raw,) = objects(RECORDED / "gamma_market_closed_binary_accepting_false.json")
        (own,) = objects(RECORDED / CLOB_FILES[0])
    tokens = tokens_of(raw)
    decision = decide(parse_market(raw), tokens)
    assert confirm(decision, own, tokens).outcome == Outcome.THAT
    other = clob((False, True), ("0", "1"), tokens=[{"token_id": str(n), "winner": n == 8} for n in (7, 8)])
    assert confirm(decision, other, tokens).outcome == Outcome.DISAGREEMENT


CONFIRMATIONS = {
    ("this", "this"): "this",
    ("that", "that"): "that",
    ("invalid", "invalid"): "invalid",
    **{(one, "unconfirmed"): "unconfirmed" for one in ("this", "that", "invalid")},
}


@pytest.mark.parametrize("first", ["this", "that", "invalid"])
@pytest.mark.parametrize(
    ("said", "second"), [(said, second) for said, second in CLOB_TABLE if second != "disagreement"]
)
def test_only_the_same_result_twice_is_a_result(first, said, second):
    decision = UpstreamOutcome(Outcome(first), "Closed.")
    expected = CONFIRMATIONS.get((first, second), "disagreement")
    assert confirm(decision, said, TOKENS).outcome == expected


def test_other_options_than_those_bet_on_are_no_result():
    """Polymarket may list the options the other way round some day: THIS must not win for THAT."""
    raw, _ = WRITTEN[0]
    assert decide(parse_market(raw), TOKENS).outcome == "this"
    assert decide(parse_market(raw), (TOKENS[1], TOKENS[0])).outcome == "unknown"
    assert decide(None, TOKENS).outcome == "unknown"
