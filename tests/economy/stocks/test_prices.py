"""Prices, statuses and the first catalogue: every change by staff, with a reason, as a row that stays."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from economy.stocks import prices
from economy.stocks.catalogue import CATALOGUE
from economy.stocks.models import Stock, StockPrice
from economy.stocks.tasks import seed_stocks
from economy.stocks.trades import StockNotFound
from tests.economy.stocks.worlds import books_balance, everything, new_trader, set_price, staff
from thisthat.common.models import JobRun

pytestmark = pytest.mark.django_db
D = Decimal


def command(*arguments):
    call_command("set_stock", "ACME", "--by", staff().username, *arguments)


def set_to(stock_id, **changes):
    given = {"price": D(11), "staff_id": staff().pk, "reason": "Because", "now": datetime.now(UTC)}
    prices.set_price(stock_id=stock_id, **given | changes)


def test_every_change_is_a_row_with_who_and_why(acme):
    command("--price", "12.5", "--reason", " Good news ")
    command("--price", "11", "--reason", "Bad news")
    history = acme.prices.order_by("sequence").values_list("sequence", "price", "set_by__username", "reason")
    assert list(history) == [
        (1, 10, None, "First price"),
        (2, D("12.5"), "boss", "Good news"),
        (3, 11, "boss", "Bad news"),
    ]
    acme.refresh_from_db()
    assert (acme.current_price, acme.price_sequence) == (11, 3)
    books_balance()


def test_a_price_without_a_reason_is_refused(acme):
    staff()
    before = everything()
    for reason in ("", "   ", "x" * 301):
        with pytest.raises(prices.ReasonRequired):
            set_to(acme.pk, reason=reason)
    assert everything() == before


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "1e-9", "1.000000001", "1e12", "100000000000"])
def test_what_is_no_price_is_refused(acme, price):
    staff()
    before = everything()
    with pytest.raises(prices.InvalidPrice):
        set_to(acme.pk, price=D(price))
    assert everything() == before


def test_only_staff_set_prices_and_statuses(ann, acme):
    for who in (ann.user.pk, uuid4()):
        with pytest.raises(prices.NotStaff):
            set_to(acme.pk, staff_id=who)
        with pytest.raises(prices.NotStaff):
            prices.change_status(stock_id=acme.pk, status=Stock.Status.HALTED, staff_id=who, now=datetime.now(UTC))
    assert StockPrice.objects.count() == 1


def test_suspended_staff_set_none(acme):
    boss = staff()
    boss.is_active = False
    boss.save()
    with pytest.raises(prices.NotStaff):
        set_to(acme.pk)


def test_a_stock_that_does_not_exist_has_no_price(db):
    with pytest.raises(StockNotFound):
        set_to(uuid4())


def test_the_command_halts_a_stock(acme):
    command("--status", "halted")
    acme.refresh_from_db()
    assert acme.status == "halted"


@pytest.mark.parametrize(
    "arguments", [("--price", "5"), ("--price", "five", "--reason", "x"), ("--price", "0", "--reason", "x")]
)
def test_the_command_says_what_is_wrong_and_changes_nothing(acme, arguments):
    staff()
    before = everything()
    with pytest.raises(CommandError):
        command(*arguments)
    assert everything() == before


def test_a_price_counts_for_the_next_trade(ann, acme):
    set_price(acme, "20.01")
    assert ann.buy(acme, 1)["newBalance"] == D("979.99")


def test_seeding_adds_the_catalogue_once_and_leaves_what_became_of_it(db):
    call_command("seed_stocks")
    assert Stock.objects.count() == len(CATALOGUE) == StockPrice.objects.count()
    first = Stock.objects.get(symbol=CATALOGUE[0].symbol)
    set_price(first, "99")
    call_command("seed_stocks")
    assert Stock.objects.count() == len(CATALOGUE)
    first.refresh_from_db()
    assert first.current_price == 99
    books_balance()


def test_seeded_stocks_can_be_bought(db):
    call_command("seed_stocks")
    trader = new_trader("ann")
    for stock in Stock.objects.all():
        trader.buy(stock, "0.1", leverage=stock.max_leverage)
    books_balance()


@pytest.mark.django_db(transaction=True)
def test_the_task_of_a_first_start_seeds_too():
    seed_stocks()
    seed_stocks()
    results = JobRun.objects.filter(job="economy.seed_stocks").order_by("started_at").values_list("result", flat=True)
    assert list(results) == [{"added": len(CATALOGUE)}, {"added": 0}]
