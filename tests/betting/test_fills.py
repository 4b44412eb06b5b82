"""Prices at which bets and sales fill: the first shares of an order book requested after the order arrived."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import transaction

from core.resilience import Deadline, SharedRateLimit
from devtools.simulators.polymarket.faults import BAD_BOOKS
from markets import rules
from markets.fills import BookRequests, LimitUsedUp, fill_prices, house_prices, request_fill_prices
from markets.models import Market
from markets.polymarket.client import fill_client
from tests.betting.factories import Player, assert_audit_passes, order, read, sign_up
from tests.concurrently import in_thread
from tests.markets.factories import add_market, ingest, refusal
from tests.markets.polymarket.scripted_server import Reply, scripted_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def spread(monkeypatch):
    """House markets with the spread that the service ships with."""
    monkeypatch.setattr(rules, "HOUSE_SPREAD", Decimal("0.02"))


def illiquid(player: Player, market, side: str = "this") -> None:
    """Neither quoted nor taken."""
    for path in ("/quote", ""):
        refusal(player.post(path, order(market, 10, side)), 400, "market_illiquid")


class TestLiquidity:
    """Lesson 42: the midpoint of an empty book taken for a price."""

    def test_a_price_is_that_of_the_first_hundred_shares(self, ann, mirrored, there):
        there.set_book(bids=[("0.40", 50), ("0.38", 1_000)], asks=[("0.42", 25), ("0.46", 1_000)])
        assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4500")
        assert ann.bet(mirrored, 10, "that")["oddsAtBet"] == Decimal("0.6100")

    def test_a_price_is_rounded_against_who_trades(self, ann, mirrored, there):
        there.set_book(bids=[("0.40", 33), ("0.381", 1_000)], asks=[("0.42", 33), ("0.441", 1_000)])
        assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4341")
        assert ann.bet(mirrored, 10, "that")["oddsAtBet"] == Decimal("0.6128")

    @pytest.mark.parametrize(
        ("bids", "asks"),
        [
            ([], []),
            ([("0.40", 1_000)], []),
            ([], [("0.42", 1_000)]),
            ([("0.40", 99)], [("0.42", 1_000)]),
            ([("0.40", 1_000)], [("0.42", "99.99")]),
            ([("0.01", 1_000)], [("0.99", 1_000)]),
            ([("0.40", 1_000)], [("0.5001", 1_000)]),
        ],
    )
    def test_one_sided_thin_and_wide_books_take_no_bets(self, ann, mirrored, there, bids, asks):
        there.set_book(bids=bids, asks=asks)
        illiquid(ann, mirrored)
        illiquid(ann, mirrored, "that")

    @pytest.mark.parametrize(
        ("bids", "asks"),
        [
            ([("0.43", 1_000)], [("0.42", 1_000)]),
            ([("0.42", 1_000)], [("0.42", 1_000)]),
            ([("NaN", 1_000)], [("0.42", 1_000)]),
            ([("0.40", "Infinity")], [("0.42", 1_000)]),
            ([("0.40", -5)], [("0.42", 1_000)]),
            ([("0.40", "1e400")], [("0.42", 1_000)]),
            ([("abc", 1_000)], [("0.42", 1_000)]),
            ([("0", 1_000)], [("0.42", 1_000)]),
            ([("0.40", 1_000)], [("1", 1_000)]),
            ([("0.40", 1_000)], [("1.42", 1_000)]),
        ],
    )
    def test_a_crossed_or_nonsensical_book_is_no_book(self, ann, mirrored, there, bids, asks):
        there.set_book(bids=bids, asks=asks)
        illiquid(ann, mirrored)

    def test_a_small_order_inside_the_spread_moves_next_to_nothing(self, ann, mirrored, there):
        there.set_book(bids=[("0.38", 1_000)], asks=[("0.42", 1_000)])
        there.add_dust("ask", "0.381", 1)
        assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4197")

    def test_the_order_of_the_levels_makes_no_difference(self, ann, mirrored, there, upstream):
        there.set_book(bids=[("0.40", 500), ("0.10", 500)], asks=[("0.42", 500), ("0.90", 500)])
        for upstream.world.best_first in (True, False):
            assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4200")

    def test_the_books_of_both_tokens_are_one(self, ann, mirrored, there):
        """A bid on THAT is an ask on THIS; an order that both show counts once."""
        there.set_book(
            bids=[("0.40", 1_000)],
            asks=[("0.42", 60)],
            that_bids=[("0.58", 60), ("0.56", 1_000)],
            that_asks=[("0.60", 1_000)],
        )
        assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4280")

    def test_books_that_cross_each_other_are_no_book(self, ann, mirrored, there):
        there.set_book(
            bids=[("0.40", 1_000)], asks=[("0.42", 1_000)], that_bids=[("0.70", 1_000)], that_asks=[("0.72", 1_000)]
        )
        illiquid(ann, mirrored)


class TestSales:
    def test_a_sale_is_never_refused_for_a_thin_or_wide_book(self, ann, mirrored, there):
        bet = ann.bet(mirrored, 100)
        there.set_book(bids=[("0.10", 1_000)], asks=[])
        assert ann.sell(bet, "50")["creditsReturned"] == Decimal("12.50")
        there.set_book(bids=[("0.40", 25)], asks=[("0.42", 1_000)])
        assert ann.sell(bet, "40")["creditsReturned"] == Decimal("10.00")
        assert_audit_passes()

    def test_where_nobody_buys_nothing_is_sold(self, ann, mirrored, there):
        bet = ann.bet(mirrored, 100)
        there.set_book(bids=[], asks=[("0.42", 1_000)])
        refusal(ann.post(f"/{bet['id']}/sell"), 400, "market_illiquid")
        assert ann.show(bet)["status"] == "pending"

    def test_below_the_least_odds_nothing_is_sold(self, ann, mirrored):
        bet = ann.bet(mirrored, 100)
        refusal(ann.post(f"/{bet['id']}/sell", {"minOdds": 0.3901}), 400, "odds_moved")
        assert read(ann.post(f"/{bet['id']}/sell", {"minOdds": 0.39}))["creditsReturned"] == Decimal("97.50")

    def test_a_sale_is_quoted_as_it_is_then_made(self, ann, mirrored):
        bet = ann.bet(mirrored, 100)
        quote = read(ann.post(f"/{bet['id']}/quote", {"amount": 30}))["quote"]
        assert list(quote) == ["creditsReturned", "odds", "oddsAfter", "asOf", "validFor"]
        assert (quote["creditsReturned"], quote["odds"], quote["validFor"]) == (
            Decimal("29.25"), Decimal("0.3900"), 4,
        )  # fmt: skip
        assert ann.sell(bet, "30")["creditsReturned"] == quote["creditsReturned"]

    def test_a_sale_of_another_users_bet_is_not_quoted(self, ann, mirrored):
        refusal(sign_up("bob").post(f"/{ann.bet(mirrored)['id']}/quote"), 404, "bet_not_found")


class TestVolume:
    """No sequence of bets and sales makes volume at no cost."""

    def test_a_round_trip_costs_the_spread(self, ann, mirrored, there):
        for _ in range(5):
            ann.sell(ann.bet(mirrored, 100))
            ann.sell(ann.bet(mirrored, 100, "that"))
        lost = -ann.booked()["overall_pnl"]
        assert ann.booked()["total_volume"] == 1_000
        # A spread of 0.01 at asks of 0.40 and 0.61.
        assert lost == 5 * (Decimal("2.50") + Decimal("1.64"))

    @pytest.mark.usefixtures("spread")
    @pytest.mark.parametrize("odds", ["0.0100", "0.0500", "0.5000", "0.9500", "0.9900"])
    def test_on_a_house_market_too_whichever_side_and_however_split(self, ann, odds):
        market = add_market(this_odds=Decimal(odds), that_odds=1 - Decimal(odds))
        for side in ("this", "that"):
            if not 0 < house_prices(market.this_odds).to_buy(is_this=side == "this") < 1:
                continue
            before = ann.booked()["credit_balance"]
            bet = ann.bet(market, 100, side)
            if ann.post(f"/{bet['id']}/sell", {"amount": 33.33}).status_code == 200:
                ann.sell(bet)
            # At least 2 % of the stake: the spread over an ask below 1.
            assert before - ann.booked()["credit_balance"] >= 2

    @pytest.mark.parametrize(("spread", "lost"), [("0.0001", "0.04"), ("0.0075", "1.26"), ("0.0199", "3.28")])
    def test_a_spread_of_odd_size_is_rounded_against_who_trades(self, ann, kettle, monkeypatch, spread, lost):
        monkeypatch.setattr(rules, "HOUSE_SPREAD", Decimal(spread))
        before = ann.booked()["credit_balance"]
        ann.sell(ann.bet(kettle, 100))
        assert before - ann.booked()["credit_balance"] >= Decimal(spread) * 100
        assert before - ann.booked()["credit_balance"] == Decimal(lost)
        assert_audit_passes()

    @pytest.mark.usefixtures("spread")
    def test_holding_both_sides_of_a_house_market_brings_nothing(self, ann, kettle):
        """One of them pays; together they cost more."""
        bets = [ann.bet(kettle, "61.00"), ann.bet(kettle, "41.00", "that")]
        assert {bet["potentialPayout"] for bet in bets} == {Decimal("100.00")}


class TestRequests:
    def test_ids_as_long_as_ingestion_takes_them_have_a_price(self, ann, upstream):
        """What the parser lets through, pricing takes."""
        odd = upstream.world.good_markets()[0]
        odd.change_tokens(length=150)
        odd.set_book(bids=[("0.39", 1_000)], asks=[("0.40", 1_000)])
        ingest(upstream)
        market = Market.objects.get(polymarket_id=odd.condition_id)
        assert len(market.this_token_id) == 150
        assert ann.bet(market, 10)["oddsAtBet"] == Decimal("0.4000")

    def test_no_transaction_is_open_while_the_book_is_requested(self, mirrored):
        tokens = (mirrored.this_token_id, mirrored.that_token_id)
        with transaction.atomic(), pytest.raises(transaction.TransactionManagementError):
            request_fill_prices(tokens)

    def test_an_order_waits_for_the_book_for_a_bounded_time(self, ann, mirrored, upstream, monkeypatch):
        upstream.faults.set("latency", path="/books", seconds=30)
        refusal(ann.post("", order(mirrored)), 503, "price_unavailable")

    def test_the_rate_limit_makes_requests_wait_and_refuses_what_would_wait_too_long(self):
        limit = SharedRateLimit(uuid4().hex, per_second=10)
        started = time.monotonic()
        assert all(limit.acquire(Deadline(10)) for _ in range(5))
        assert time.monotonic() - started > 0.3
        assert not all(limit.acquire(Deadline(0)) for _ in range(50))


@pytest.mark.django_db(transaction=True)
def test_orders_that_arrive_together_share_a_request(upstream, there, monkeypatch):
    """Of each market once, and requested after all of them arrived."""
    monkeypatch.setattr(rules, "FILL_COLLECT_SECONDS", 0.5)
    markets = upstream.world.good_markets()[:3]
    together = Barrier(3)

    def request(market):
        together.wait()
        return request_fill_prices(market.tokens)

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(in_thread, lambda market=market: request(market)) for market in markets]
        prices = [run.result(10) for run in runs]
    assert len(prices) == 3
    assert len(upstream.requests.to("/books")) == 1
    assert prices[0].ask == Decimal("0.4000")


@pytest.mark.django_db(transaction=True)
def test_each_request_for_a_half_is_counted_by_the_rate_limit(upstream, there, monkeypatch):
    """Orders that the limit leaves no request for before the deadline have no price; the others have theirs."""
    monkeypatch.setattr(rules, "FILL_COLLECT_SECONDS", 0.3)
    limited = upstream.faults.set("rate_limit", path="/books", per_second=5)
    markets = upstream.world.good_markets()[:8]
    markets[-1].refuse_books()
    requests = BookRequests(lambda tokens: fill_client().books(tokens), SharedRateLimit(uuid4().hex, per_second=10))
    with ThreadPoolExecutor(len(markets)) as pool:
        runs = []
        for market in markets:
            runs.append(pool.submit(in_thread, lambda market=market: requests.get(market.tokens, Deadline(0.7))))
            time.sleep(0.01)
        failures = [run.exception(10) for run in runs]
    # 0.4 seconds are left: for the whole, its halves, and not for all of theirs.
    assert failures[:4] == [None] * 4
    assert set(runs[0].result()) == set(markets[0].tokens)
    assert [type(failure) for failure in failures[-2:]] == [LimitUsedUp] * 2
    assert len(upstream.requests.to("/books")) <= 5
    assert limited.hits == 0


def test_an_order_is_priced_by_a_second_attempt_where_the_first_fails(ann, mirrored, upstream):
    upstream.faults.set("status", path="/books", times=1)
    assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4000")
    assert len(upstream.requests.to("/books")) == 2


def test_books_of_nonsense_are_no_books(ann, mirrored, upstream):
    upstream.faults.set("malformed", path="/books")
    illiquid(ann, mirrored)
    markets = upstream.world.good_markets()[: len(BAD_BOOKS)]
    books = fill_client().books([token for market in markets for token in market.tokens])
    assert {fill_prices(books, market.tokens) for market in markets} == {(None, None, 0, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_refused_costs_no_other_order_its_price(settings, monkeypatch):
    monkeypatch.setattr(rules, "FILL_COLLECT_SECONDS", 0.5)
    levels = {"bids": [{"price": "0.39", "size": "1000"}], "asks": [{"price": "0.40", "size": "1000"}]}

    def respond(request):
        tokens = [item["token_id"] for item in request.body]
        if "odd" in tokens:
            return Reply({"error": "invalid token"}, status=400)
        return Reply([{"asset_id": token, **levels} for token in tokens if token.endswith("1")])

    with scripted_server() as server, ThreadPoolExecutor(3) as pool:
        server.always(respond)
        settings.POLYMARKET_CLOB_URL = server.url
        runs = [
            pool.submit(in_thread, lambda tokens=tokens: request_fill_prices(tokens))
            for tokens in (("a1", "a2"), ("odd", "b2"), ("c1", "c2"))
        ]
        prices = [run.result(10) for run in runs]
    assert [price.ask for price in prices] == [Decimal("0.4000"), None, Decimal("0.4000")]
