"""One transfer: what it writes, what it refuses."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from economy import ledger
from economy.errors import AlreadyPosted, InsufficientCredits, UnknownUser
from economy.ledger import Transfer, change_hold, post
from economy.models import CreditTransaction, TransactionType
from tests.economy.factories import NOW, adjustment, booked, give, ledger_entries

Type = TransactionType


def bet(user, amount, staked, kind, reference=None, **fields):
    return Transfer(
        user_id=user.pk,
        amount=Decimal(amount),
        staked=Decimal(staked),
        transaction_type=kind,
        reference_id=reference or uuid4(),
        **fields,
    )


def test_a_transfer_moves_the_balance_and_writes_its_row(ann, django_assert_num_queries):
    reference = uuid4()
    with django_assert_num_queries(1):
        posted = post(adjustment(ann, "-12.34", reference_id=reference, description="Oops"), now=NOW)
    assert (posted.user_id, posted.sequence, posted.balance_after) == (ann.pk, 2, Decimal("987.66"))
    row = CreditTransaction.objects.get(pk=posted.id)
    assert (row.amount, row.balance_after, row.counterparty) == (Decimal("-12.34"), Decimal("987.66"), "staff")
    assert (row.reference_id, row.description, row.created_at) == (reference, "Oops", NOW)
    assert booked(ann)["credit_balance"] == booked(ann)["available_credits"] == Decimal("987.66")
    assert posted.id.version == 7


def test_a_bet_is_staked_and_its_profit_realized_when_it_pays(ann):
    reference = uuid4()
    post(bet(ann, -100, 100, Type.BET_PLACED, reference), now=NOW)
    facts = booked(ann)
    assert (facts["credit_balance"], facts["locked_credits"]) == (900, 100)
    assert (facts["expended_credits"], facts["total_volume"], facts["overall_pnl"]) == (100, 100, 0)
    post(bet(ann, "180.50", -100, Type.BET_PAYOUT, reference), now=NOW)
    facts = booked(ann)
    assert (facts["credit_balance"], facts["locked_credits"]) == (Decimal("1080.50"), 0)
    assert (facts["expended_credits"], facts["total_volume"], facts["overall_pnl"]) == (100, 100, Decimal("80.50"))


def test_a_bet_that_was_lost_costs_profit_and_writes_no_row(ann):
    post(bet(ann, -100, 100, Type.BET_PLACED), now=NOW)
    assert ledger.post_many([bet(ann, 0, -100, Type.BET_PAYOUT)], now=NOW) == [None]
    facts = booked(ann)
    assert (facts["credit_balance"], facts["locked_credits"], facts["overall_pnl"]) == (900, 0, -100)
    assert facts["journal_length"] == len(ledger_entries(ann, "pk")) == 2


def test_buying_stocks_is_expended_but_no_volume_on_markets(ann):
    post(bet(ann, -100, 100, Type.STOCK_PURCHASE), now=NOW)
    post(bet(ann, 70, -50, Type.STOCK_SALE), now=NOW)
    facts = booked(ann)
    assert (facts["credit_balance"], facts["locked_credits"], facts["total_volume"]) == (970, 0, 0)
    assert (facts["expended_credits"], facts["overall_pnl"]) == (100, 20)


def test_spending_more_than_there_is_is_refused_and_changes_nothing(ann):
    before = booked(ann)
    with pytest.raises(InsufficientCredits):
        post(adjustment(ann, "-1000.01"), now=NOW)
    assert booked(ann) == before
    assert post(adjustment(ann, -1000), now=NOW).balance_after == 0


def test_credits_on_hold_cant_be_spent(ann):
    change_hold(user_id=ann.pk, change=Decimal(300), now=NOW)
    with pytest.raises(InsufficientCredits):
        post(adjustment(ann, "-700.01"), now=NOW)
    assert post(adjustment(ann, -700), now=NOW).balance_after == 300
    assert booked(ann)["available_credits"] == 0
    assert post(adjustment(ann, 1), now=NOW).balance_after == 301


def test_more_than_the_balance_cant_be_put_on_hold(ann):
    with pytest.raises(InsufficientCredits), transaction.atomic():
        change_hold(user_id=ann.pk, change=Decimal("1000.01"), now=NOW)
    with pytest.raises(InsufficientCredits), transaction.atomic():
        change_hold(user_id=ann.pk, change=Decimal(-1), now=NOW)
    with pytest.raises(UnknownUser):
        change_hold(user_id=uuid4(), change=Decimal(1), now=NOW)


def test_the_same_event_is_booked_once(ann):
    payout = bet(ann, 10, 0, Type.BET_PAYOUT)
    post(payout, now=NOW)
    with pytest.raises(AlreadyPosted), transaction.atomic():
        post(payout, now=NOW)
    refund = bet(ann, 10, 0, Type.BET_REFUND, payout.reference_id)
    with pytest.raises(AlreadyPosted), transaction.atomic():
        post(refund, now=NOW)
    assert booked(ann)["credit_balance"] == 1010


def test_a_reversed_bet_is_paid_again_under_the_next_number(ann):
    reference = uuid4()
    post(bet(ann, -100, 100, Type.BET_PLACED, reference), now=NOW)
    for occurrence in (0, 1):
        post(bet(ann, 150, -100, Type.BET_PAYOUT, reference, occurrence=occurrence), now=NOW)
        post(bet(ann, -150, 100, Type.SETTLEMENT_REVERSAL, reference, occurrence=occurrence), now=NOW)
    facts = booked(ann)
    assert (facts["credit_balance"], facts["locked_credits"], facts["overall_pnl"]) == (900, 100, 0)


def test_nobody_is_not_paid(db):
    with pytest.raises(UnknownUser):
        post(adjustment(uuid4(), 1), now=NOW)
    with pytest.raises(UnknownUser):
        ledger.post_many([adjustment(uuid4(), 1)], now=NOW)


@pytest.mark.parametrize("amount", [1.0, 1, "1", True, None])
def test_only_decimals_are_credits(ann, amount):
    with pytest.raises(TypeError):
        Transfer(user_id=ann.pk, amount=amount, transaction_type=Type.ADMIN_ADJUSTMENT, reference_id=uuid4())


@pytest.mark.parametrize("amount", ["0.001", "1E-3", "NaN", "sNaN", "Infinity", "-Infinity", "1E+40"])
def test_only_whole_cents_are_credits(ann, amount):
    with pytest.raises(ValueError):
        adjustment(ann, amount)


def test_a_transfer_of_nothing_is_refused(ann):
    with pytest.raises(ValueError):
        post(adjustment(ann, 0), now=NOW)


def test_only_bets_and_stocks_take_a_stake(ann):
    with pytest.raises(ValueError):
        adjustment(ann, 10, staked=Decimal(1))


@pytest.mark.django_db(transaction=True)
def test_credits_move_only_inside_a_transaction(new_user):
    user = new_user("ann")
    for act in (
        lambda: post(adjustment(user, 1), now=NOW),
        lambda: ledger.post_many([adjustment(user, 1)], now=NOW),
        lambda: ledger.post_from("SELECT 1", now=NOW),
        lambda: change_hold(user_id=user.pk, change=Decimal(1), now=NOW),
    ):
        with pytest.raises(TransactionManagementError):
            act()
    assert booked(user)["journal_length"] == 0


def test_the_callers_own_row_is_written_by_the_same_statement(ann, django_assert_num_queries):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE slips (user_id uuid, stake numeric, balance numeric) ON COMMIT DROP")
    also = "slip AS (INSERT INTO slips SELECT user_id, %(stake)s::numeric, balance_after FROM moved)"
    with django_assert_num_queries(1):
        post(adjustment(ann, -100), now=NOW, also=also, parameters={"stake": Decimal(100)})
    with pytest.raises(InsufficientCredits):
        post(adjustment(ann, -901), now=NOW, also=also, parameters={"stake": Decimal(901)})
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM slips")
        assert cursor.fetchall() == [(ann.pk, Decimal(100), Decimal(900))]


def test_give_is_what_it_says(ann):
    assert give(ann, 5).balance_after == 1005
