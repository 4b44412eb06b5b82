"""What the house lends where more is taken than there is, and how later credits repay it before anything else."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from economy.errors import InsufficientCredits
from economy.ledger import Transfer, change_hold, post, post_from, post_many
from economy.ledger.audit import audit
from economy.models import Counterparty, Debt, TransactionType
from tests.economy.factories import NOW, adjustment, booked, execute, give, ledger_entries, make_user

pytestmark = pytest.mark.django_db


def lend(user, amount, reference=None, occurrence=0, now=NOW):
    """Lent and taken at once, as a refund that the user can't afford is."""
    reference = reference or uuid4()
    kind = TransactionType.PURCHASE_REFUND
    loan = Transfer(
        user_id=user.pk,
        amount=Decimal(amount),
        transaction_type=kind,
        counterparty=Counterparty.HOUSE,
        reference_id=reference,
        occurrence=occurrence,
    )
    taking = Transfer(
        user_id=user.pk, amount=-Decimal(amount), transaction_type=kind, reference_id=reference, occurrence=occurrence
    )
    with transaction.atomic():
        post_many([loan, taking], now=now)
    return reference


def debts(user):
    return list(Debt.objects.filter(user=user).order_by("lent").values_list("lent", "repaid", "entries"))


def test_a_loan_makes_a_debt_and_is_not_repaid_from_itself():
    user = make_user("ann")
    lend(user, 100)
    assert debts(user) == [(100, 0, 1)]
    assert booked(user)["credit_balance"] == 0
    assert audit().passed


def test_the_next_credit_repays_first_and_the_response_says_what_is_left():
    user = make_user("ann")
    lend(user, 100)
    assert give(user, 70).balance_after == 0
    assert debts(user) == [(100, 70, 2)]
    assert give(user, 50).balance_after == 20
    assert debts(user) == [(100, 100, 3)]
    assert give(user, 5).balance_after == 25
    assert ledger_entries(user, "amount", "counterparty", "balance_after")[2:] == [
        (70, "staff", 70),
        (-70, "house", 0),
        (50, "staff", 50),
        (-30, "house", 20),
        (5, "staff", 25),
    ]
    assert audit().passed


def test_of_several_debts_those_that_fit_are_repaid_and_the_next_in_part():
    user = make_user("ann")
    for amount in (10, 20, 40):
        lend(user, amount)
    give(user, 45)
    assert sum(repaid for _, repaid, _ in debts(user)) == 45
    assert sum(lent - repaid for lent, repaid, _ in debts(user)) == 25
    give(user, 30)
    assert all(lent == repaid for lent, repaid, _ in debts(user))
    assert booked(user)["credit_balance"] == 5
    assert audit().passed


@pytest.mark.parametrize("first", [20, 10])
def test_the_oldest_debt_is_repaid_before_newer_ones_whichever_is_larger(first):
    user = make_user("ann")
    lend(user, first)
    lend(user, 30 - first, now=NOW + timedelta(hours=1))
    give(user, 25)
    assert dict(Debt.objects.values_list("lent", "repaid")) == {first: first, 30 - first: 25 - first}
    assert audit().passed


def test_one_thing_lent_for_twice_is_one_debt_with_the_next_numbers():
    user = make_user("ann")
    reference = lend(user, 100)
    give(user, 100)
    lend(user, 30, reference, occurrence=2)
    assert debts(user) == [(130, 100, 3)]
    assert audit().passed


def test_a_batch_repays_the_debts_of_those_it_pays_and_of_nobody_else():
    ann, bob, eve = make_user("ann"), make_user("bob"), make_user("eve")
    lend(ann, 100)
    lend(bob, 100)
    with transaction.atomic():
        posted = post_many([adjustment(ann, 60), adjustment(eve, 60), adjustment(ann, 60)], now=NOW)
    assert [row.balance_after for row in posted] == [60, 60, 20]
    assert (debts(ann), debts(bob)) == ([(100, 100, 2)], [(100, 0, 1)])
    assert audit().passed


def test_credits_from_a_select_repay_too():
    user = make_user("ann")
    lend(user, 100)
    select = """SELECT 1 AS place, id AS user_id, 60.00::numeric AS amount, 'admin_adjustment' AS transaction_type,
        'staff' AS counterparty, new_id() AS reference_id, 0 AS occurrence, 0::numeric AS staked, '' AS description
        FROM users"""
    with transaction.atomic():
        assert post_from(select, now=NOW).amount == 60
    assert debts(user) == [(100, 60, 2)]
    assert booked(user)["credit_balance"] == 0
    assert audit().passed


def test_what_is_on_hold_repays_nothing():
    user = make_user("ann", balance=50)
    with transaction.atomic():
        change_hold(user_id=user.pk, change=Decimal(50), now=NOW)
    lend(user, 100)
    give(user, 30)
    assert booked(user)["credit_balance"] == 50
    assert debts(user) == [(100, 30, 2)]
    assert audit().passed


def test_a_debtor_can_not_spend_what_is_owed():
    user = make_user("ann")
    lend(user, 100)
    give(user, 100)
    with pytest.raises(InsufficientCredits), transaction.atomic():
        post(adjustment(user, -1), now=NOW)


@pytest.mark.parametrize("amount", [-1, -101])
def test_the_database_refuses_a_repayment_of_what_is_not_owed(amount):
    user = make_user("ann", balance=1000)
    reference = lend(user, 100) if amount == -101 else uuid4()
    repayment = Transfer(
        user_id=user.pk,
        amount=Decimal(amount),
        transaction_type=TransactionType.PURCHASE_REFUND,
        counterparty=Counterparty.HOUSE,
        reference_id=reference,
        occurrence=1,
    )
    with pytest.raises(IntegrityError, match=r"debts_repaid|owes nothing"), transaction.atomic():
        post(repayment, now=NOW)


def test_the_audit_notices_a_debt_that_was_written_off_by_hand():
    user = make_user("ann")
    reference = lend(user, 100)
    execute("UPDATE debts SET repaid = lent")
    report = audit()
    assert report.findings["debts"].examples == [str(reference)]
    assert [name for name, finding in report.findings.items() if finding.broken] == ["debts"]
