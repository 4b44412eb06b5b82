"""Polymarket's public read API: the Gamma catalogue and the CLOB's prices and market facts. No key is needed.

Paths, parameters and limits: Polymarket API reference, "Gamma" (keyset pagination) and "CLOB" (books, markets).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final
from urllib.parse import quote

import requests
from django.conf import settings

from core.resilience import CircuitBreaker, act_by_halves
from markets import rules
from markets.errors import UpstreamError, UpstreamGarbled, UpstreamRejected
from markets.polymarket.parsing import ID_MAX
from markets.polymarket.transport import Call, Host, Parameters, RequestPolicy, bounded_sessions
from markets.polymarket.values import as_identifier, as_mapping, as_text

USER_AGENT: Final = "thisthat/1.0"
EVENTS_PAGE_MAX: Final = 500  # of /events/keyset
MARKETS_PAGE_MAX: Final = 100  # of /markets/keyset
CONDITION_IDS_BATCH: Final = 40  # the API takes 100, but 66 characters each make a request line over 8 KiB
CONDITION_IDS_PAGES_MAX: Final = 5  # one is expected; many mean that the filter was ignored
BOOKS_BATCH: Final = 500
FAILURES_IN_A_ROW: Final = 12  # refused requests, smaller and smaller, after which no single object is to blame
PROBE: Final = RequestPolicy(connect=2, read=2, total=3, attempts=1)

_Page = tuple[list[Any], str]  # objects, and the cursor of the next page or ""
_ObjectCall = Call[dict[str, Any]]  # an annotation: calling it would try to write on a frozen object


GAMMA: Final = "Polymarket's catalogue"
CLOB: Final = "Polymarket's order book"
HISTORIES: Final = "Polymarket's price history"


def make_breaker() -> CircuitBreaker:
    """Return a circuit breaker for Gamma: after five failures in a row it is left alone for ten seconds."""
    return CircuitBreaker(GAMMA, fallback="what is stored is served", failures=5, reset_seconds=10)


class PolymarketClient:
    """A client of Polymarket; thread safe.

    Every method raises `UpstreamUnavailable`, `UpstreamRejected` or `UpstreamGarbled`, and nothing else, about the
    upstream. Numbers with a fraction arrive as `Decimal`. Single objects are handed on as they were sent, for
    `parsing.parse_market`.
    """

    def __init__(  # noqa: PLR0913 - all of them are needed, by name
        self,
        *,
        gamma_url: str,
        clob_url: str,
        policy: RequestPolicy,
        breaker: CircuitBreaker | None = None,
        clob_breaker: CircuitBreaker | None = None,
        user_agent: str = USER_AGENT,
        sleep: Callable[[float], None] = time.sleep,
        session: requests.Session | None = None,
    ) -> None:
        """`breaker` guards Gamma, `clob_breaker` the CLOB (one of the same settings by default): each fails alone.

        `session` is used by all threads when given; otherwise each thread has its own.
        """
        gamma_breaker = breaker or make_breaker()
        threads_session = (lambda: session) if session else bounded_sessions(policy)
        host = partial(Host, policy=policy, session=threads_session, user_agent=user_agent, sleep=sleep)
        self._gamma = host(gamma_url, name="gamma", breaker=gamma_breaker)
        self._clob = host(clob_url, name="clob", breaker=clob_breaker or gamma_breaker.with_name(CLOB))
        # Charts that can't be had take nobody's order book away.
        self._histories = host(clob_url, name="histories", breaker=gamma_breaker.with_name(HISTORIES))

    def iter_event_pages(
        self,
        *,
        closed: bool = False,
        tag_slug: str | None = None,
        page_size: int = 100,
        max_pages: int = 1000,
    ) -> Iterator[list[Any]]:
        """Yield pages of events with their markets inside, the highest 24-hour volume first.

        `page_size` is 1 to 500. The retry policy holds for each page. Ends at the last page; more than
        `max_pages` of them are garbled.
        """
        if not 1 <= page_size <= EVENTS_PAGE_MAX:
            raise ValueError(f"page_size must be 1 to {EVENTS_PAGE_MAX}")
        parameters = [
            ("limit", str(page_size)),
            ("closed", _boolean(closed)),
            ("order", "volume24hr"),
            ("ascending", "false"),
            *([("tag_slug", tag_slug)] if tag_slug else []),
        ]
        return self._pages("/events/keyset", "events", parameters, max_pages)

    def markets_by_condition_ids(self, condition_ids: Sequence[str], *, closed: bool) -> list[Any]:
        """Return the markets among `condition_ids` that are closed, or aren't; in no order, without unknown ones."""
        known = list(dict.fromkeys(filter(None, condition_ids)))
        found: list[Any] = []
        for batch in _batches(known, CONDITION_IDS_BATCH):
            parameters = [("limit", str(MARKETS_PAGE_MAX)), ("closed", _boolean(closed))]
            parameters += [("condition_ids", condition_id) for condition_id in batch]
            pages = self._pages("/markets/keyset", "markets", parameters, CONDITION_IDS_PAGES_MAX)
            found += [market for page in pages for market in page if _is_one_of(market, batch)]
        return found

    def books(self, token_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the order book of each token that has one, as it was sent, for `books.parse_book`."""
        wanted = list(dict.fromkeys(filter(None, token_ids)))
        found: dict[str, Mapping[str, Any]] = {}
        for batch in _batches(wanted, BOOKS_BATCH):
            payload = [{"token_id": token_id} for token_id in batch]
            call: Call[list[Any]] = Call(path="/books", read=_a_list, payload=payload, if_not_found=[])
            sent = self._clob.run(call)
            for book in map(as_mapping, sent):
                found[as_identifier(book.get("asset_id"), ID_MAX)] = book
        return {token_id: found[token_id] for token_id in wanted if token_id in found}

    def price_history(self, token_id: str, *, interval: str, fidelity: int, within: float) -> list[Any]:
        """Return the token's prices as they were sent, for `parsing.parse_price_history`; one attempt.

        `interval` is 1h, 6h, 1d, 1w, 1m or max, `fidelity` the minutes between two of them, `within` seconds.
        Polymarket refuses 1w finer than 5 minutes and 1m finer than 10, and of a closed market knows nothing finer
        than 720.
        """
        parameters = [("market", token_id), ("interval", interval), ("fidelity", str(fidelity))]
        call: Call[list[Any]] = Call(path="/prices-history", read=_history, parameters=parameters, if_not_found=[])
        return self._histories.run(call, replace(FOREGROUND, total=within))

    def clob_market(self, condition_id: str) -> dict[str, Any] | None:
        """Return the CLOB's own facts of a market (`tokens[].winner`, `closed`, …); None for one it doesn't know."""
        if not condition_id:
            return None  # the path without an id is the list of all markets

        def read(sent: Any) -> dict[str, Any]:
            market = _an_object(sent)
            if as_text(market.get("condition_id"), len(condition_id) + 1).lower() != condition_id.lower():
                raise UpstreamGarbled("another market than the requested one")
            return market

        path = f"/markets/{quote(condition_id, safe='')}"
        call: _ObjectCall = Call(path=path, read=read, if_not_found={})
        return self._clob.run(call) or None

    def is_reachable(self) -> bool:
        """Return whether the catalogue responds; one small request, at most three seconds, no retry."""
        parameters = [("limit", "1"), ("closed", "false")]
        call = Call(path="/events/keyset", read=lambda sent: _page(sent, "events"), parameters=parameters)
        try:
            self._gamma.run(call, PROBE)
        except UpstreamError:
            return False
        return True

    def _pages(self, path: str, key: str, parameters: Parameters, max_pages: int) -> Iterator[list[Any]]:
        """Follow the cursor, every other parameter unchanged (API reference, keyset pagination)."""
        cursor, seen = "", {""}
        for _ in range(max_pages):
            after = [("after_cursor", cursor)] if cursor else []
            call = Call(path=path, read=lambda sent: _page(sent, key), parameters=[*parameters, *after])
            objects, cursor = self._gamma.run(call)
            if cursor and cursor in seen:
                raise UpstreamGarbled(f"{path} repeated a cursor")
            yield objects
            if not cursor:
                return
            seen.add(cursor)
        raise UpstreamGarbled(f"{path} has more than {max_pages} pages")


def _boolean(value: bool) -> str:  # noqa: FBT001 - writes a parameter
    return "true" if value else "false"


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _an_object(sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise UpstreamGarbled("not the object expected")
    return sent


def _a_list(sent: Any) -> list[Any]:
    if not isinstance(sent, list):
        raise UpstreamGarbled("not the list expected")
    return sent


def _history(sent: Any) -> list[Any]:
    return _a_list(_an_object(sent).get("history"))


def _page(sent: Any, key: str) -> _Page:
    objects = sent.get(key) if isinstance(sent, dict) else None
    if not isinstance(objects, list):
        raise UpstreamGarbled(f"no list of {key}")
    cursor = sent.get("next_cursor") or ""
    if not isinstance(cursor, str):
        raise UpstreamGarbled("a cursor that is no text")
    return objects, cursor


def _is_one_of(market: Any, condition_ids: list[str]) -> bool:
    """Return whether a market was requested: the API silently ignores a parameter that it doesn't know."""
    return isinstance(market, dict) and market.get("conditionId") in condition_ids


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


# An order is waiting: a second attempt if the first failed early, and a result within FILL_SECONDS.
FILL: Final = RequestPolicy(connect=1, read=rules.FILL_SECONDS, total=rules.FILL_SECONDS, attempts=2, backoff=0.1)
# A user is waiting: one attempt, and a result within three seconds whatever happens.
FOREGROUND: Final = RequestPolicy(connect=1, read=2, total=2.5, attempts=1)
BACKGROUND: Final = RequestPolicy()
# The feed asks again in half a second by itself.
FEED: Final = RequestPolicy(connect=2, read=5, total=5, attempts=1)


@cache
def job_client() -> PolymarketClient:
    """Return this process's client for jobs: it retries, and gives up after half a minute a call."""
    return make_client(BACKGROUND)


@cache
def fill_client() -> PolymarketClient:
    """Return this process's client for the order books of fills. One attempt: `fills` retries, by FILL."""
    return make_client(replace(FILL, attempts=1))


@cache
def request_client() -> PolymarketClient:
    """Return this process's client for requests. Its circuit breaker makes a dead upstream cost nothing."""
    return make_client(FOREGROUND)


def make_client(policy: RequestPolicy) -> PolymarketClient:
    """Return a new client of the hosts in the settings, with circuit breakers of its own."""
    return PolymarketClient(
        gamma_url=settings.POLYMARKET_GAMMA_URL, clob_url=settings.POLYMARKET_CLOB_URL, policy=policy
    )
