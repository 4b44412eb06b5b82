"""What the database itself refuses of bets and sales, by the constraint's name."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL

from betting.models import Bet, BetSale
from core.db.sql import new_id
from leaderboard.models import UserTotals

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NAN = RawSQL("'NaN'::numeric", ())


def refused(constraint: str, write) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    assert caught.value.__cause__.diag.constraint_name == constraint


@pytest.fixture
def bet(ann, kettle) -> Bet:
    """100 on THIS at 0.6000."""
    return Bet.objects.get(pk=ann.bet(kettle, 100)["id"])


def add_bet(bet: Bet, **fields: Any) -> Bet:
    """Another like it."""
    like = {"user_id": bet.user_id, "market_id": bet.market_id, "side": "this", "placed_at": MOMENT}
    given = {"amount": 100, "odds_at_bet": Decimal("0.5"), "shares": 200, **like, **fields}
    return Bet.objects.create(**given)


def update(bet: Bet, **fields: Any) -> None:
    Bet.objects.filter(pk=bet.pk).update(**fields)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("bets_amount_positive", {"amount": 0, "shares": 0}),
        ("bets_amount_positive", {"amount": -1, "shares": -2}),
        ("bets_amount_positive", {"amount": NAN, "shares": NAN}),
        ("bets_odds_in_range", {"odds_at_bet": 1, "shares": 100}),
        ("bets_odds_in_range", {"odds_at_bet": Decimal("-0.5"), "shares": -200}),
        ("bets_odds_in_range", {"odds_at_bet": NAN}),
        ("bets_payout_is_stake_over_odds", {"shares": Decimal("200.01")}),
        ("bets_payout_is_stake_over_odds", {"shares": Decimal("199.99")}),
        ("bets_hold_numbers", {"shares": NAN}),
        ("bets_side_known", {"side": "both"}),
        ("bets_side_known", {"side": "THIS"}),
        ("bets_begin_pending", {"status": "won", "actual_payout": 200, "resolved_at": MOMENT, "settlement_count": 1}),
        ("bets_begin_pending", {"sale_count": 1, "sold_amount": 50, "sold_payout": 50}),
        ("bets_begin_pending", {"status": "open"}),
    ],
)
def test_an_impossible_bet_is_not_kept(bet, constraint, fields):
    refused(constraint, lambda: add_bet(bet, **fields))


def test_odds_of_zero_are_refused_before_they_divide(bet):
    refused("bets_odds_in_range", lambda: add_bet(bet, odds_at_bet=0))


OVER = {"resolved_at": MOMENT, "settlement_count": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "won", **OVER},
        {"status": "won", "actual_payout": Decimal("166.66"), "settlement_count": 1},
        {"status": "won", "actual_payout": Decimal("166.67"), **OVER},
        {"status": "won", "actual_payout": 0, **OVER},
        {"status": "lost", **OVER},
        {"status": "lost", "actual_payout": Decimal("0.01"), **OVER},
        {"status": "lost", "actual_payout": 0, "settlement_count": 1},
        {"status": "cancelled", **OVER},
        {"status": "cancelled", "actual_payout": 101, **OVER},
        {"status": "cancelled", "actual_payout": 100, "settlement_count": 1},
        {"status": "pending", "actual_payout": 100},
        {"status": "pending", "resolved_at": MOMENT},
        {"status": "open"},
        {"status": "settled", "actual_payout": 100, **OVER},
    ],
)
def test_status_and_outcome_agree(bet, fields):
    refused("bets_status_and_outcome", lambda: update(bet, **fields))


@pytest.mark.parametrize(("status", "paid"), [("won", "166.66"), ("lost", "0"), ("cancelled", "100")])
def test_what_may_become_of_a_bet_may(bet, status, paid):
    update(bet, status=status, actual_payout=Decimal(paid), **OVER)
    update(bet, status="pending", actual_payout=None, resolved_at=None)


@pytest.mark.parametrize(("status", "paid"), [("won", "166.66"), ("lost", "0"), ("cancelled", "100")])
def test_a_settlement_is_counted(bet, status, paid):
    settled = {"status": status, "actual_payout": Decimal(paid), "resolved_at": MOMENT}
    refused("bets_settlements_counted", lambda: update(bet, **settled))


def test_a_sold_bet_has_no_stake_left(bet):
    refused("bets_sold_means_nothing_at_stake", lambda: update(bet, status="sold", resolved_at=MOMENT))
    everything = {"sale_count": 1, "sold_amount": 100, "sold_shares": Decimal("166.66"), "sold_payout": 100}
    refused("bets_sold_means_nothing_at_stake", lambda: update(bet, **everything))


@pytest.mark.parametrize(
    "fields",
    [
        {"sale_count": 1},
        {"sold_amount": 10},
        {"sold_payout": 10},
        {"sale_count": 1, "sold_amount": 10, "sold_payout": Decimal("16.67")},
    ],
)
def test_sums_of_sales_are_possible(bet, fields):
    refused("bets_sales_in_range", lambda: update(bet, **fields))


def test_more_is_not_sold_than_was_staked(bet):
    more = {"sale_count": 1, "sold_amount": Decimal("100.01"), "sold_payout": 100}
    refused("bets_sales_in_range", lambda: update(bet, **more))


@pytest.mark.parametrize("sold_shares", ["16.65", "16.67", "0", "-1"])
def test_the_shares_that_are_sold_are_those_of_the_stake_that_is(bet, sold_shares):
    sold = {"sale_count": 1, "sold_amount": 10, "sold_payout": 0, "sold_shares": Decimal(sold_shares)}
    constraint = "bets_sales_in_range" if sold_shares == "-1" else "bets_sold_shares_follow_the_stake"
    refused(constraint, lambda: update(bet, **sold))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("bets_payout_is_stake_over_odds", {"odds_at_bet": Decimal("0.6004")}),
        ("bets_payout_is_stake_over_odds", {"shares": Decimal("166.50")}),
        ("bets_payout_is_stake_over_odds", {"shares": 100, "odds_at_bet": Decimal("0.9999")}),
    ],
)
def test_the_odds_of_shares_of_a_curve_are_their_average_rounded_up(bet, constraint, fields):
    on_curve = {"on_curve": True, "shares": Decimal("166.59"), "odds_at_bet": Decimal("0.6003")}
    refused(constraint, lambda: add_bet(bet, **(on_curve | fields)))
    assert add_bet(bet, **on_curve).shares == Decimal("166.59")


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "won", "actual_payout": NAN, **OVER},
        {"sale_count": 1, "sold_amount": NAN, "sold_payout": 10},
        {"sale_count": 1, "sold_amount": 10, "sold_payout": NAN},
    ],
)
def test_what_becomes_of_a_bet_is_a_number(bet, fields):
    refused("bets_hold_numbers", lambda: update(bet, **fields))


def add_sale(bet: Bet, **fields: Any) -> BetSale:
    like = {"amount": 60, "shares": 100, "odds": Decimal("0.5"), "payout": 50}
    given = {**like, "occurrence": 0, "created_at": MOMENT, **fields}
    return BetSale.objects.create(bet_id=bet.pk, **given)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("bet_sales_amount_positive", {"amount": 0}),
        ("bet_sales_amount_positive", {"amount": -10}),
        ("bet_sales_amount_positive", {"amount": NAN}),
        ("bet_sales_shares_not_negative", {"shares": Decimal("-0.01")}),
        ("bet_sales_shares_not_negative", {"shares": NAN}),
        ("bet_sales_odds_in_range", {"odds": 0}),
        ("bet_sales_odds_in_range", {"odds": 1}),
        ("bet_sales_odds_in_range", {"odds": NAN}),
        ("bet_sales_payout_not_negative", {"payout": Decimal("-0.01")}),
        ("bet_sales_payout_not_negative", {"payout": NAN}),
        ("bet_sales_occurrence_not_negative", {"occurrence": -1}),
        ("bet_sales_agree_with_bet", {}),
    ],
)
def test_an_impossible_sale_is_not_kept(bet, constraint, fields):
    refused(constraint, lambda: add_sale(bet, **fields))


def test_a_sale_is_made_once(ann, kettle, bet):
    ann.sell({"id": bet.pk}, "60")
    refused("bet_sales_once", lambda: add_sale(bet))


def add_stray(bet: Bet, field: str) -> None:
    add_bet(bet, **{field: new_id()})
    connection.check_constraints()


def test_a_bet_is_a_users_on_a_market(bet):
    for field in ("user_id", "market_id"):
        # The first bet on a market also fixes its terms, of which a market that isn't there has none.
        with pytest.raises(IntegrityError, match=r"foreign key|market_terms"), transaction.atomic():
            add_stray(bet, field)


def test_totals_follow_whatever_statement_writes_bets(ann, kettle):
    """`bets_count_added` and `bets_count_changed`, once a statement for all its bets."""
    bets = [ann.bet(kettle, 60)["id"] for _ in range(3)]
    update = "UPDATE bets SET status = %s, actual_payout = %s, resolved_at = now(), settlement_count = 1 WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.execute(update, ["won", 100, bets[0]])
        cursor.executemany(update, [("lost", 0, bets[1]), ("lost", 0, bets[2])])
    assert UserTotals.objects.values_list("bets", "won", "lost").get(pk=ann.id) == (3, 1, 2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bets SET status = 'pending', actual_payout = NULL, resolved_at = NULL")
    assert UserTotals.objects.values_list("bets", "won", "lost").get(pk=ann.id) == (3, 0, 0)


def test_every_constraint_has_a_test():
    """Those of the two tables, triggers included, by name."""
    tested = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid IN ('bets'::regclass, 'bet_sales'::regclass) "
            "AND contype IN ('c', 'u') UNION SELECT tgname FROM pg_trigger "
            "WHERE tgrelid IN ('bets'::regclass, 'bet_sales'::regclass) AND NOT tgisinternal"
        )
        names = {name for (name,) in cursor.fetchall()}
    assert len(names) >= 20
    assert not {name for name in names if name not in tested}
