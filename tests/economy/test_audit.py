"""The audit finds every kind of corruption, planted where the database's own guards are switched off."""

import json
from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import transaction

from core.models import JobRun
from economy import tasks
from economy.errors import InvariantsBroken
from economy.ledger import Transfer, audit, post, post_many
from economy.models import Counterparty, TransactionType
from tests import roles
from tests.economy.factories import NOW, adjustment, booked, execute, give, ledger_entries, make_user


@pytest.fixture
def books(ann):
    """Two users with a history of adjustments."""
    bob = make_user("bob", balance=50)
    post_many([adjustment(ann, -10), adjustment(bob, 5), adjustment(ann, 3)], now=NOW)
    return ann, bob


def guards_off():
    return roles.guards_off("credit_transactions", "users")


def broken():
    return {name: finding.examples for name, finding in audit.audit().findings.items() if finding.broken}


def test_honest_books_pass(books):
    report = audit.audit()
    assert report.passed
    assert report.findings["chains"].examined == 5
    assert report.findings["balances"].examined == 2


def test_no_books_at_all_pass(db):
    assert audit.audit().passed


CACHED = [
    ("credit_balance = credit_balance + 1", {"balances"}),
    ("journal_length = journal_length + 1", {"balances"}),
    ("locked_credits = 1", {"locked"}),
    ("expended_credits = 1", {"expended"}),
    ("total_volume = 7", {"volume"}),
    ("overall_pnl = -7", {"profit"}),
    ("referral_credits_earned = 1", {"referrals"}),
]


@pytest.mark.parametrize(("change", "invariants"), CACHED)
def test_a_changed_column_is_found_and_repaired_from_the_entries(books, change, invariants):
    ann, bob = books
    rows, before, other = ledger_entries(ann, "pk", "balance_after"), booked(ann), booked(bob)
    with guards_off():
        execute(f"UPDATE users SET {change} WHERE id = %s", ann.pk)  # noqa: S608
    assert broken() == {invariant: [str(ann.pk)] for invariant in invariants}
    assert audit.audit(repair=True).repaired == 1
    assert audit.audit().passed
    assert (booked(ann), booked(bob)) == (before, other)
    assert ledger_entries(ann, "pk", "balance_after") == rows
    assert audit.audit(repair=True).repaired == 0


IN_THE_ENTRIES = [
    ("DELETE FROM credit_transactions WHERE user_id = %s AND sequence = 2", {"chains", "balances"}),
    ("DELETE FROM credit_transactions WHERE user_id = %s AND sequence = 3", {"balances"}),
    ("UPDATE credit_transactions SET amount = amount + 1 WHERE user_id = %s AND sequence = 1", {"chains", "balances"}),
    ("UPDATE credit_transactions SET balance_after = 1 WHERE user_id = %s AND sequence = 2", {"chains"}),
    ("UPDATE credit_transactions SET sequence = 4 WHERE user_id = %s AND sequence = 3", {"chains", "balances"}),
    (
        (
            "UPDATE credit_transactions SET transaction_type = 'bet_placed', counterparty = 'escrow' "
            "WHERE user_id = %s AND sequence = 2"
        ),
        {"expended", "volume", "profit"},
    ),
    (
        (
            "UPDATE credit_transactions SET transaction_type = 'signup_bonus', counterparty = 'issuance' "
            "WHERE user_id = %s AND sequence = 1"
        ),
        {"bonuses"},
    ),
    (
        (
            "UPDATE credit_transactions SET transaction_type = 'referral_bonus', counterparty = 'issuance' "
            "WHERE user_id = %s AND sequence = 1"
        ),
        {"bonuses", "referrals"},
    ),
]


@pytest.mark.parametrize(("change", "invariants"), IN_THE_ENTRIES)
def test_a_changed_entry_is_found_and_never_repaired(books, change, invariants):
    ann, _ = books
    with guards_off():
        execute(change, ann.pk)
    rows = ledger_entries(ann, "pk", "amount", "balance_after", "sequence", "transaction_type")
    assert set(broken()) == {*invariants, "ledger_chain"}
    audit.audit(repair=True)
    assert ledger_entries(ann, "pk", "amount", "balance_after", "sequence", "transaction_type") == rows
    assert "ledger_chain" in broken()


def test_a_row_of_nobody_is_found(books):
    ann, _ = books
    nobody = uuid4()
    with guards_off():
        execute("UPDATE credit_transactions SET user_id = %s WHERE user_id = %s", nobody, ann.pk)
    assert broken()["owners"] == [str(nobody)]
    # Else the transaction's own check at its end would say the same.
    with guards_off():
        execute("UPDATE credit_transactions SET user_id = %s WHERE user_id = %s", ann.pk, nobody)


@pytest.fixture
def bets(db):
    """The stakes that an app above registers."""
    execute("CREATE TEMP TABLE slips (user_id uuid, stake numeric(18,2)) ON COMMIT DROP")
    audit.register_positions(Counterparty.ESCROW, "SELECT user_id, sum(stake) AS staked FROM slips GROUP BY user_id")


def test_locked_credits_and_profit_follow_from_the_stakes(ann, bets):
    kind = {"user_id": ann.pk, "reference_id": uuid4()}
    post(
        Transfer(amount=Decimal(-100), staked=Decimal(100), transaction_type=TransactionType.BET_PLACED, **kind),
        now=NOW,
    )
    execute("INSERT INTO slips VALUES (%s, 100)", ann.pk)
    assert broken() == {}
    post(
        Transfer(amount=Decimal(30), staked=Decimal(-40), transaction_type=TransactionType.POSITION_SOLD, **kind),
        now=NOW,
    )
    assert set(broken()) == {"locked", "profit"}
    execute("UPDATE slips SET stake = 60")
    assert broken() == {}
    post_many(
        [Transfer(amount=Decimal(0), staked=Decimal(-60), transaction_type=TransactionType.BET_PAYOUT, **kind)], now=NOW
    )
    execute("DELETE FROM slips")
    assert broken() == {}
    assert booked(ann)["overall_pnl"] == -70


def test_the_stakes_of_a_user_add_up_in_however_many_rows_they_are_told(ann, bets):
    audit.register_positions(Counterparty.ESCROW, "SELECT user_id, stake AS staked FROM slips")
    for stake in (100, 50):
        placed = {"amount": Decimal(-stake), "staked": Decimal(stake), "transaction_type": TransactionType.BET_PLACED}
        post(Transfer(user_id=ann.pk, reference_id=uuid4(), **placed), now=NOW)
        execute("INSERT INTO slips VALUES (%s, %s)", ann.pk, stake)
    assert broken() == {}


def test_another_apps_invariant_is_checked_with_the_rest(books):
    check = audit.by_sql("mine", "No user.", examined="SELECT count(*) FROM users", breaches="SELECT id FROM users")
    audit.register(check)
    assert audit.audit().findings["mine"] == audit.Finding(2, 2, sorted(str(user.pk) for user in books))


def run_command(*arguments):
    out = StringIO()
    status = 0
    try:
        call_command("audit_ledger", *arguments, stdout=out)
    except SystemExit as ended:
        status = ended.code
    return status, out.getvalue()


def test_the_command_prints_each_invariant_with_its_count(books):
    status, printed = run_command()
    assert status == 0
    assert "chains: ok of 5." in printed
    assert printed.splitlines()[-1].startswith("passed")


def test_the_command_fails_with_the_ids_of_a_broken_invariant_and_repairs_on_demand(books):
    ann, _ = books
    with guards_off():
        execute("UPDATE users SET total_volume = 5 WHERE id = %s", ann.pk)
    status, printed = run_command("--json")
    facts = json.loads(printed)
    assert (status, facts["passed"]) == (1, False)
    assert facts["checks"]["volume"] == {"examined": 2, "broken": 1, "examples": [str(ann.pk)]}
    status, printed = run_command()
    assert status == 1
    assert str(ann.pk) in printed
    assert run_command("--repair")[0] == 0
    assert run_command("--json")[0] == 0


@pytest.mark.django_db(transaction=True)
def test_the_nightly_task_records_what_it_found(new_user):
    user = new_user("ann", balance=10)
    tasks.audit_ledger()
    run = JobRun.objects.get(job="economy.audit_ledger")
    assert (run.status, run.result["passed"]) == ("succeeded", True)
    execute("UPDATE users SET overall_pnl = 1")
    with pytest.raises(InvariantsBroken):
        tasks.audit_ledger()
    failed = JobRun.objects.filter(job="economy.audit_ledger").latest("pk")
    assert failed.status == "failed"
    assert str(user.pk) in failed.error


@pytest.mark.django_db(transaction=True)
def test_the_audit_sees_one_moment_while_credits_move(new_user):
    user = new_user("ann", balance=10)
    with audit.snapshot():
        audit.derive_expected()
        with transaction.atomic():
            pass
        report = {invariant.name: invariant.find().broken for invariant in audit.INVARIANTS}
    give(user, 1)
    assert not any(report.values())
