"""Prices at which credits move: from an order book that was requested after the order arrived.

Orders of one process that arrive within moments share one request. The first of them waits for the others, then for
the rate limit, and sends it for all; those that arrive while it is under way make up the next one. Nobody holds a lock
or a transaction meanwhile.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from decimal import Decimal
from typing import Any

from core.db.transactions import require_no_transaction
from core.resilience import Deadline, SharedRateLimit, act_by_halves
from markets import rules
from markets.errors import MarketIlliquid, PriceUnavailable, UpstreamError, UpstreamRejected
from markets.polymarket.books import (
    ONE,
    ZERO,
    BookPrices,
    SentBooks,
    Tokens,
    prices_of,
    read_book,
    round_down,
    round_up,
)
from markets.polymarket.client import BOOKS_BATCH, FAILURES_IN_A_ROW, FILL, fill_client
from markets.polymarket.transport import is_retriable
from markets.prices import ACQUIRE_TIMEOUT, book_rate_limit, upstream_semaphore


class LimitUsedUp(TimeoutError):
    """No request may be sent before the deadline."""


class FillPrices(BookPrices):
    """Odds of THIS at which an order fills: `ask` buys THIS, `bid` buys THAT; None where the market is illiquid.

    `sale_bid` sells THIS, `sale_ask` sells THAT; 0 and 1 where nobody buys.
    """

    __slots__ = ()

    def to_buy(self, *, is_this: bool) -> Decimal:
        """Return the odds at which the side is bought. Raises MarketIlliquid."""
        if self.bid is None or self.ask is None or self.ask - self.bid > rules.MAX_SPREAD:
            raise MarketIlliquid
        return self.ask if is_this else ONE - self.bid

    def to_sell(self, *, is_this: bool) -> Decimal:
        """Return the odds at which the side is sold, however low. Raises MarketIlliquid where nobody buys."""
        odds = self.bid_of(is_this=is_this)
        if odds <= 0:
            raise MarketIlliquid("Nobody buys this side at the moment.")
        return odds

    def bid_of(self, *, is_this: bool) -> Decimal:
        """Return the odds at which the side could be sold; 0 where nobody buys."""
        return self.sale_bid if is_this else ONE - self.sale_ask


Waiting = tuple[Tokens, Future[SentBooks]]


class Batch:
    """Orders that share requests. Each gets its books as soon as both of its tokens are heard of or refused."""

    def __init__(self, waiting: Sequence[Waiting]) -> None:
        self._waiting = list(waiting)
        self._heard: dict[str, Mapping[str, Any]] = {}
        self._refused: dict[str, Exception] = {}

    @property
    def tokens(self) -> list[str]:
        return list(dict.fromkeys(token for tokens, _ in self._waiting for token in tokens))

    def hear(self, tokens: Sequence[str], books: SentBooks) -> None:
        """Take what was sent for these tokens; one that isn't among it has no book."""
        self._heard |= {token: books.get(token, {}) for token in tokens}
        self._respond()

    def refuse(self, token: str, exc: Exception) -> None:
        """Take the upstream's refusal of a token. An order fails of it only where its other one is refused, too."""
        self._refused[token] = exc
        self._respond()

    def fail(self, exc: BaseException) -> None:
        """Fail all orders that still wait."""
        for _, result in self._waiting:
            result.set_exception(exc)
        self._waiting = []

    def _respond(self) -> None:
        waiting, self._waiting = self._waiting, []
        for tokens, result in waiting:
            heard, refused = ([token for token in tokens if token in known] for known in (self._heard, self._refused))
            if len(refused) == len(tokens):
                result.set_exception(self._refused[refused[0]])
            elif len(heard) + len(refused) == len(tokens):
                result.set_result({token: self._heard[token] for token in heard})
            else:
                self._waiting.append((tokens, result))


class BookRequests:
    """Requests for order books, each for as many orders as have arrived. One per process."""

    def __init__(self, request: Callable[[Sequence[str]], SentBooks], limit: SharedRateLimit) -> None:
        self._request = request
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: list[Waiting] = []

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
        """Request the books of all that wait when the request may be sent, and give each order its own."""
        time.sleep(deadline.bounded(rules.FILL_COLLECT_SECONDS))
        is_allowed = self._limit.acquire(deadline)
        with self._lock:
            batch, self._waiting = Batch(self._waiting), []
        if not is_allowed:
            batch.fail(LimitUsedUp())
            return
        try:
            self._request_by_halves(batch, deadline)
        except (UpstreamError, LimitUsedUp) as exc:
            batch.fail(exc)
        except BaseException as exc:
            batch.fail(exc)
            raise

    def _request_by_halves(self, batch: Batch, deadline: Deadline) -> None:
        """Request the batch, and by halves what is refused: a token that the upstream refuses costs no other its book.

        For the first request the rate limit has been asked; for each further one, also a retry, it is asked here.
        """
        has_permit = True

        def request(tokens: list[str]) -> None:
            nonlocal has_permit
            if not has_permit and not (deadline.remaining() > 0 and self._limit.acquire(deadline)):
                raise LimitUsedUp
            has_permit = False
            batch.hear(tokens, self._request(tokens))

        act_by_halves(
            batch.tokens,
            lambda tokens: FILL.run(lambda: request(tokens), is_retriable=is_retriable, deadline=deadline),
            failures=UpstreamRejected,
            on_failed=batch.refuse,
            size=BOOKS_BATCH,
            failures_in_a_row=FAILURES_IN_A_ROW,
        )


_requests = BookRequests(lambda tokens: fill_client().books(tokens), book_rate_limit)


def request_fill_prices(tokens: Tokens) -> FillPrices:
    """Return the prices of a mirrored market, given its two tokens. Takes at most FILL_SECONDS.

    Raises PriceUnavailable; the market may be illiquid.
    """
    require_no_transaction("request_fill_prices")
    if rules.BET_DELAY:
        time.sleep(rules.BET_DELAY)
    with upstream_semaphore.acquire(timeout=ACQUIRE_TIMEOUT) as acquired:
        if not acquired:
            raise PriceUnavailable
        try:
            books = _requests.get(tokens, Deadline(rules.FILL_SECONDS))
        except (UpstreamError, TimeoutError) as exc:
            raise PriceUnavailable from exc
    return fill_prices(books, tokens)


def fill_prices(books: SentBooks, tokens: Tokens) -> FillPrices:
    """Return the prices that the two tokens' books give. A market without a book is illiquid."""
    book = read_book(books, tokens)
    if book is None:
        return FillPrices(bid=None, ask=None, sale_bid=ZERO, sale_ask=ONE)
    return FillPrices(*prices_of(book, depth=rules.PRICE_DEPTH))


def house_prices(this_odds: Decimal, *, is_lmsr: bool = False) -> FillPrices:
    """Return the prices of a house market: half of HOUSE_SPREAD on either side of its odds, within 0 and 1.

    Rounded to 4 decimals against whoever trades. A market maker's are its odds: they move with what is traded.
    """
    if is_lmsr:
        return FillPrices(bid=this_odds, ask=this_odds, sale_bid=this_odds, sale_ask=this_odds)
    half = rules.HOUSE_SPREAD / 2
    bid, ask = round_down(max(this_odds - half, ZERO)), round_up(min(this_odds + half, ONE))
    return FillPrices(bid=bid, ask=ask, sale_bid=bid, sale_ask=ask)
