"""Markets requested by their ids, so that one that the upstream refuses never hides the others."""

from collections.abc import Callable, Sequence
from typing import Any

from core.isolation import act_by_halves
from markets.errors import UpstreamGarbled, UpstreamRejected
from markets.polymarket.client import CONDITION_IDS_BATCH, FAILURES_IN_A_ROW, PolymarketClient


def request_by_id(
    client: PolymarketClient,
    polymarket_ids: Sequence[str],
    *,
    closed: bool,
    on_refused: Callable[[str, Exception], None],
    failures_in_a_row: int = FAILURES_IN_A_ROW,
) -> list[Any]:
    """Return the markets that are closed, or aren't; `on_refused` is called with ids that fail even alone.

    After so many `failures_in_a_row` it is called with all that are left. Raises UpstreamUnavailable.
    """
    found = act_by_halves(
        polymarket_ids,
        lambda part: client.markets_by_condition_ids(part, closed=closed),
        failures=(UpstreamRejected, UpstreamGarbled),
        on_failed=on_refused,
        size=CONDITION_IDS_BATCH,
        failures_in_a_row=failures_in_a_row,
    )
    return [market for part in found for market in part]
