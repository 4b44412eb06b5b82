"""Prices, statuses and the first catalogue: every change by staff, with a reason, as a row that stays."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.management import call_command

from accounts.errors import NotAllowed, ReasonMissing, ReasonTooLong
from accounts.models import User
from accounts.staff import COMMAND_LINE, StaffMember
from core.models import JobRun
from economy.errors import StockNotFound
from economy.stocks import prices
from economy.stocks.models import Stock, StockPrice
from economy.stocks.prices import CATALOGUE
from economy.tasks import seed_stocks
from tests.economy.factories import staff_actions
from tests.economy.stocks.factories import assert_audit_passes, by_staff, everything, new_trader, set_price, staff
from tests.staff.conftest import member

__all__ = ["member"]
pytestmark = pytest.mark.django_db
D = Decimal
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
ELEVEN = D(11)
HALTED, ACTIVE = Stock.Status.HALTED, Stock.Status.ACTIVE


def set_to(stock, price=ELEVEN, **changes):
    given = {"by": by_staff(), "reason": "Because", "now": NOW}
    prices.set_price(stock_id=stock.pk, price=price, **given | changes)


def make(stock, status=HALTED, **changes):
    given = {"by": by_staff(), "reason": "Because", "now": NOW}
    prices.change_status(stock_id=stock.pk, status=status, **given | changes)


def actions():
    rows = staff_actions().order_by("pk")
    return list(rows.values_list("action", "staff__username", "ip", "reason", "before", "after"))


def test_every_price_is_a_row_with_who_and_why(acme):
    set_to(acme, D("12.5"), reason=" Good news ")
    set_to(acme, reason="Bad news")
    history = acme.prices.order_by("sequence").values_list("sequence", "price", "set_by__username", "reason")
    assert list(history) == [
        (1, 10, None, "First price"),
        (2, D("12.5"), "boss", "Good news"),
        (3, 11, "boss", "Bad news"),
    ]
    acme.refresh_from_db()
    assert (acme.current_price, acme.price_sequence) == (11, 3)
    assert_audit_passes()


def test_a_price_is_among_what_staff_did(acme):
    set_to(acme, D("12.50"), reason="Good news")
    set_to(acme, by=COMMAND_LINE)
    assert actions() == [
        ("set_stock_price", "boss", "192.0.2.7", "Good news", {"price": "10"}, {"price": "12.5"}),
        ("set_stock_price", None, None, "Because", {"price": "12.5"}, {"price": "11"}),
    ]
    action = staff_actions().earliest("pk")
    assert (action.target_type, action.target_id, action.created_at) == ("economy.stock", str(acme.pk), NOW)


def test_every_status_is_a_row_with_who_and_why_and_among_what_staff_did(acme):
    make(acme, reason="Rumours.")
    make(acme, ACTIVE, by=COMMAND_LINE, reason="They were rumours.")
    changes = acme.status_changes.order_by("sequence")
    assert list(changes.values_list("sequence", "status", "set_by__username", "reason", "created_at")) == [
        (1, "halted", "boss", "Rumours.", NOW),
        (2, "active", None, "They were rumours.", NOW),
    ]
    assert actions() == [
        ("set_stock_status", "boss", "192.0.2.7", "Rumours.", {"status": "active"}, {"status": "halted"}),
        ("set_stock_status", None, None, "They were rumours.", {"status": "halted"}, {"status": "active"}),
    ]
    acme.refresh_from_db()
    assert (acme.status, acme.updated_at) == ("active", NOW)
    assert_audit_passes()


def test_the_status_that_it_has_is_no_change(acme):
    staff()
    before = everything()
    with pytest.raises(prices.NothingChanged):
        make(acme, ACTIVE)
    assert everything() == before


@pytest.mark.parametrize("change", [set_to, make])
@pytest.mark.parametrize(
    ("reason", "refusal"), [("", ReasonMissing), ("   ", ReasonMissing), ("x" * 501, ReasonTooLong)]
)
def test_a_change_without_a_reason_is_refused(acme, change, reason, refusal):
    staff()
    before = everything()
    with pytest.raises(refusal):
        change(acme, reason=reason)
    assert everything() == before


def test_a_reason_of_500_letters_is_kept(acme):
    set_to(acme, reason="x" * 500)
    assert len(acme.prices.get(sequence=2).reason) == 500


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "1e-9", "1.000000001", "1e12", "100000000000"])
def test_what_is_no_price_is_refused(acme, price):
    staff()
    before = everything()
    with pytest.raises(prices.InvalidPrice):
        set_to(acme, D(price))
    assert everything() == before


@pytest.mark.parametrize("change", [set_to, make])
def test_only_who_may_sets_prices_and_statuses(ann, acme, member, change):
    others = [ann.user, member("new"), member("ida", role="support")]
    boss = staff()
    User.objects.filter(pk=boss.pk).update(is_active=False)
    before = everything()
    for user in [*others, User.objects.get(pk=boss.pk)]:
        with pytest.raises(NotAllowed):
            change(acme, by=StaffMember(user))
    assert everything() == before


@pytest.mark.parametrize("change", [set_to, make])
def test_the_markets_managers_may(acme, member, change):
    change(acme, by=StaffMember(member("moe", role="market managers")))
    assert staff_actions().get().staff.username == "moe"


@pytest.mark.parametrize("change", [set_to, make])
def test_a_stock_that_does_not_exist_is_not_changed(db, change):
    with pytest.raises(StockNotFound):
        change(Stock(pk=uuid4()))
    assert not staff_actions().exists()


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
    assert_audit_passes()


def test_seeded_stocks_can_be_bought(db):
    call_command("seed_stocks")
    trader = new_trader("ann")
    for stock in Stock.objects.all():
        trader.buy(stock, "0.1", leverage=stock.max_leverage)
    assert_audit_passes()


@pytest.mark.django_db(transaction=True)
def test_the_task_of_a_first_start_seeds_too():
    seed_stocks()
    seed_stocks()
    results = JobRun.objects.filter(job="economy.seed_stocks").order_by("started_at").values_list("result", flat=True)
    assert list(results) == [{"added": len(CATALOGUE)}, {"added": 0}]
