"""Prices at which credits move: from an order book that was requested after the order arrived.

Orders of one process that arrive within moments share one request. The first of them waits for the others, then for
the rate limit, and sends it for all; those that arrive while it is under way make up the next one. Nobody holds a lock
or a transaction meanwhile.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal

from core.db.transactions import require_no_transaction
from core.resilience import Deadline, SharedRateLimit, act_by_halves
from markets import rules
from markets.errors import MarketIlliquid, PriceUnavailable, UpstreamError, UpstreamRejected
from markets.polymarket.books import ONE, ZERO, SentBooks, Tokens, prices_of, read_book, round_down, round_up
from markets.polymarket.client import FAILURES_IN_A_ROW, fill_client
from markets.prices import ACQUIRE_TIMEOUT, RETRY_SECONDS, book_rate_limit, upstream_semaphore


@dataclass(frozen=True, slots=True)
class FillPrices:
    """Odds of THIS at which an order fills: `ask` buys THIS, `bid` buys THAT; None where the market is illiquid.

    `sale_bid` sells THIS, `sale_ask` sells THAT; 0 and 1 where nobody buys.
    """

    bid: Decimal | None
    ask: Decimal | None
    sale_bid: Decimal
    sale_ask: Decimal

    def to_buy(self, *, is_this: bool) -> Decimal:
        """Return the odds at which the side is bought. Raises MarketIlliquid."""
        if self.bid is None or self.ask is None or self.ask - self.bid > rules.MAX_SPREAD:
            raise MarketIlliquid
        return self.ask if is_this else ONE - self.bid

    def to_sell(self, *, is_this: bool) -> Decimal:
        """Return the odds at which the side is sold, however low. Raises MarketIlliquid where nobody buys."""
        odds = self.sale_bid if is_this else ONE - self.sale_ask
        if odds <= 0:
            raise MarketIlliquid("Nobody buys this side at the moment.")
        return odds


class BookRequests:
    """Requests for order books, each for as many orders as have arrived. One per process."""

    def __init__(self, request: Callable[[Sequence[str]], SentBooks], limit: SharedRateLimit) -> None:
        self._request = request
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: list[tuple[Tokens, Future[SentBooks]]] = []

    def get(self, tokens: Tokens, deadline: Deadline) -> SentBooks:
        """Return the books of the tokens, requested after this call began. Raises UpstreamError or TimeoutError."""
        result: Future[SentBooks] = Future()
        with self._lock:
            is_first = not self._waiting
            self._waiting.append((tokens, result))
        if is_first:
            self._request_for_all(deadline)
        return result.result(max(0, deadline.remaining()))

    def _request_for_all(self, deadline: Deadline) -> None:
        """Request the books of all that wait when the request may be sent, and give them the response."""
        time.sleep(deadline.bounded(rules.FILL_COLLECT_SECONDS))
        is_allowed = self._limit.acquire(deadline)
        with self._lock:
            batch, self._waiting = self._waiting, []
        results = [result for _, result in batch]
        if not is_allowed:
            fail(results, TimeoutError("the rate limit is used up"))
            return
        try:
            books = self._request([token for tokens, _ in batch for token in tokens])
        except BaseException as exc:
            fail(results, exc)
            raise
        for result in results:
            result.set_result(books)


def fail(results: Sequence[Future[SentBooks]], exc: BaseException) -> None:
    for result in results:
        result.set_exception(exc)


def request_books(tokens: Sequence[str]) -> SentBooks:
    """Return the books of the tokens; a token that the upstream refuses costs the others nothing.

    Raises UpstreamError, also where all tokens are refused.
    """
    refusals: list[Exception] = []
    parts = act_by_halves(
        tokens,
        fill_client().books,
        failures=UpstreamRejected,
        on_failed=lambda _token, exc: refusals.append(exc),
        failures_in_a_row=FAILURES_IN_A_ROW,
    )
    if refusals and not parts:
        raise refusals[0]
    return {token: book for part in parts for token, book in part.items()}


_requests = BookRequests(request_books, book_rate_limit)


def request_fill_prices(tokens: Tokens) -> FillPrices:
    """Return the prices of a mirrored market, given its two tokens. Takes at most FILL_SECONDS.

    Raises PriceUnavailable; the market may be illiquid.
    """
    require_no_transaction("request_fill_prices")
    if rules.BET_DELAY:
        time.sleep(rules.BET_DELAY)
    with upstream_semaphore.acquire(timeout=ACQUIRE_TIMEOUT) as acquired:
        if not acquired:
            raise PriceUnavailable(retry_after=RETRY_SECONDS)
        try:
            books = _requests.get(tokens, Deadline(rules.FILL_SECONDS))
        except (UpstreamError, TimeoutError) as exc:
            raise PriceUnavailable(retry_after=RETRY_SECONDS) from exc
    return fill_prices(books, tokens)


def fill_prices(books: SentBooks, tokens: Tokens) -> FillPrices:
    """Return the prices that the two tokens' books give. A market without a book is illiquid."""
    book = read_book(books, tokens)
    if book is None:
        return FillPrices(bid=None, ask=None, sale_bid=ZERO, sale_ask=ONE)
    found = prices_of(book, depth=rules.PRICE_DEPTH)
    return FillPrices(bid=found.bid, ask=found.ask, sale_bid=found.sale_bid, sale_ask=found.sale_ask)


def house_prices(this_odds: Decimal) -> FillPrices:
    """Return the prices of a house market: half of HOUSE_SPREAD on either side of its odds, within 0 and 1.

    Rounded to 4 decimals against whoever trades.
    """
    half = rules.HOUSE_SPREAD / 2
    bid, ask = round_down(max(this_odds - half, ZERO)), round_up(min(this_odds + half, ONE))
    return FillPrices(bid=bid, ask=ask, sale_bid=bid, sale_ask=ask)
