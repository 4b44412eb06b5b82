"""Ways to break the ledger with the application's own role: raw SQL, the ORM, bulk operations. All are refused.

What the database alone can't refuse is in `test_audit.py` and at the end of this file: the audit finds it.
"""

from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.deletion import ProtectedError

from accounts.models import User
from economy.ledger import audit, post_many
from economy.models import CreditTransaction
from tests.economy.factories import NOW, adjustment, booked, execute, ledger_entries, make_user

INSERT = """
INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
    reference_id, description, created_at)
"""


def sql(statement):
    return lambda ann, bob: execute(statement.format(ann=ann.pk, bob=bob.pk, insert=INSERT))


def row(ann, **changes):
    fields = {
        "user": ann,
        "sequence": 4,
        "amount": Decimal(5),
        "balance_after": Decimal(998),
        "transaction_type": "admin_adjustment",
        "counterparty": "staff",
        "reference_id": uuid4(),
        "created_at": NOW,
    }
    return CreditTransaction(**{**fields, **changes})


def saved(change):
    def act(ann, bob):
        ann.refresh_from_db()
        change(ann)
        ann.save()

    return act


def set_balance(user):
    user.credit_balance = Decimal(5000)


def edit_and_save(ann, bob):
    first = CreditTransaction.objects.filter(user=ann).first()
    first.amount = Decimal(9)
    first.save()


def bulk_update_rows(ann, bob):
    rows = list(CreditTransaction.objects.filter(user=ann))
    for found in rows:
        found.balance_after += 1
    CreditTransaction.objects.bulk_update(rows, ["balance_after"])


def bulk_update_users(ann, bob):
    ann.credit_balance = bob.credit_balance = Decimal(7)
    User.objects.bulk_update([ann, bob], ["credit_balance"])


def upsert_rows(ann, bob):
    existing = CreditTransaction.objects.filter(user=ann).first()
    existing.amount = Decimal(3)
    CreditTransaction.objects.bulk_create(
        [existing], update_conflicts=True, update_fields=["amount"], unique_fields=["id"]
    )


def upsert_users(ann, bob):
    ann.credit_balance = Decimal(10**6)
    User.objects.bulk_create([ann], update_conflicts=True, update_fields=["credit_balance"], unique_fields=["id"])


def rich_newcomer(ann, bob):
    User.objects.create_user(email="eve@example.com", username="eve", credit_balance=Decimal(1000))


def copy_rows(ann, bob):
    with connection.cursor() as cursor, cursor.copy("COPY credit_transactions FROM STDIN") as copy:
        copy.write_row((uuid4(), 4, 5, 998, "admin_adjustment", "staff", uuid4(), 0, "", NOW, ann.pk))


def in_two_statements(ann, bob):
    row(ann).save(force_insert=True)
    User.objects.filter(pk=ann.pk).update(credit_balance=998, journal_length=4)


ATTACKS = {
    # A user's balance.
    "a balance set by hand": sql("UPDATE users SET credit_balance = 1000000 WHERE id = '{ann}'"),
    "a balance raised by hand": sql("UPDATE users SET credit_balance = credit_balance + 1"),
    "a balance lowered by hand": sql("UPDATE users SET credit_balance = credit_balance - 1 WHERE id = '{ann}'"),
    "a negative balance": sql("UPDATE users SET credit_balance = -1 WHERE id = '{ann}'"),
    "a balance of NaN": sql("UPDATE users SET credit_balance = 'NaN' WHERE id = '{ann}'"),
    "a volume of NaN": sql("UPDATE users SET total_volume = 'NaN' WHERE id = '{ann}'"),
    "a profit of NaN": sql("UPDATE users SET overall_pnl = 'NaN' WHERE id = '{ann}'"),
    "an infinite balance": sql("UPDATE users SET credit_balance = 'Infinity' WHERE id = '{ann}'"),
    "a huge balance": sql("UPDATE users SET credit_balance = 1e16 WHERE id = '{ann}'"),
    "two balances exchanged": sql(
        "UPDATE users SET credit_balance = CASE id WHEN '{ann}' THEN 55 ELSE 993 END WHERE id IN ('{ann}', '{bob}')"
    ),
    "a balance put back to an earlier one": sql(
        "UPDATE users SET credit_balance = 1000, journal_length = 1 WHERE id = '{ann}'"
    ),
    "a history declared longer": sql("UPDATE users SET journal_length = 9 WHERE id = '{ann}'"),
    "a history declared empty": sql("UPDATE users SET credit_balance = 0, journal_length = 0 WHERE id = '{ann}'"),
    "more on hold than there is": sql("UPDATE users SET held_credits = 994 WHERE id = '{ann}'"),
    "a negative hold": sql("UPDATE users SET held_credits = -1 WHERE id = '{ann}'"),
    "a negative lock": sql("UPDATE users SET locked_credits = -1 WHERE id = '{ann}'"),
    "available credits written": sql("UPDATE users SET available_credits = 5 WHERE id = '{ann}'"),
    "a user renamed to another id with credits": sql(
        "UPDATE users SET id = gen_random_uuid(), credit_balance = 10 WHERE id = '{bob}'"
    ),
    "a balance saved by the ORM": saved(set_balance),
    "a balance updated by the ORM": lambda ann, bob: User.objects.update(credit_balance=F("credit_balance") + 100),
    "balances updated in bulk": bulk_update_users,
    "users upserted in bulk": upsert_users,
    "a newcomer with credits": rich_newcomer,
    "a newcomer with credits, by SQL": sql(
        "INSERT INTO users (id, email, username, name, credit_balance, password, is_superuser, avatar_url, bio, "
        "x_username, is_active, is_staff, referral_code) "
        "SELECT gen_random_uuid(), 'e@x.y', 'eve', 'eve', 5, '', false, '', '', '', true, false, 'ABCDEFGH'"
    ),
    # Ledger entries.
    "an amount edited": sql("UPDATE credit_transactions SET amount = 1 WHERE user_id = '{ann}'"),
    "a balance_after edited": sql("UPDATE credit_transactions SET balance_after = 1"),
    "a row moved to another user": sql(
        "UPDATE credit_transactions SET user_id = '{bob}', sequence = 9 WHERE user_id = '{ann}' AND sequence = 3"
    ),
    "a reference edited": sql("UPDATE credit_transactions SET reference_id = gen_random_uuid()"),
    "a description edited": sql("UPDATE credit_transactions SET description = 'nothing to see'"),
    "a row deleted": sql("DELETE FROM credit_transactions WHERE user_id = '{ann}' AND sequence = 3"),
    "all rows deleted": sql("DELETE FROM credit_transactions"),
    "the table emptied": sql("TRUNCATE credit_transactions"),
    "the table emptied with what refers to it": sql("TRUNCATE credit_transactions CASCADE"),
    "the users emptied": sql("TRUNCATE users CASCADE"),
    "a user deleted": sql("DELETE FROM users WHERE id = '{ann}'; SET CONSTRAINTS ALL IMMEDIATE"),
    "a row merged over another": sql(
        "MERGE INTO credit_transactions AS old USING (SELECT 1) AS one ON old.user_id = '{ann}' "
        "WHEN MATCHED THEN UPDATE SET amount = 5"
    ),
    "an edit while replicating": sql(
        "SET LOCAL session_replication_role = replica; UPDATE credit_transactions SET amount = 5"
    ),
    "a row edited by the ORM": edit_and_save,
    "rows edited in bulk": bulk_update_rows,
    "rows upserted in bulk": upsert_rows,
    "rows deleted by the ORM": lambda ann, bob: CreditTransaction.objects.all().delete(),
    "a user deleted by the ORM": lambda ann, bob: ann.delete(),
    # Rows that nobody moved credits for.
    "a row without a balance": lambda ann, bob: row(ann).save(force_insert=True),
    "rows without a balance, in bulk": lambda ann, bob: CreditTransaction.objects.bulk_create([row(ann)]),
    "a row first, the balance after": in_two_statements,
    "a row copied in": copy_rows,
    "a row with a wrong balance": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 2000, journal_length = 4 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 4, 5, 2000, 'admin_adjustment', 'staff', gen_random_uuid(), '', now()"
    ),
    "a row and another balance": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 2000, journal_length = 4 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 4, 5, 998, 'admin_adjustment', 'staff', gen_random_uuid(), '', now()"
    ),
    "a row for one, the balance for another": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 998, journal_length = 4 WHERE id = '{bob}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 4, 5, 998, 'admin_adjustment', 'staff', gen_random_uuid(), '', now()"
    ),
    "a gap in the numbers": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 998, journal_length = 5 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 5, 5, 998, 'admin_adjustment', 'staff', gen_random_uuid(), '', now()"
    ),
    "two rows, moved on by one": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 998, journal_length = 4 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 3 + n, 5, 993 + 5 * n, 'admin_adjustment', 'staff', "
        "gen_random_uuid(), '', now() FROM generate_series(1, 2) AS n"
    ),
    "a row of nobody": sql(
        "{insert} SELECT gen_random_uuid(), gen_random_uuid(), 1, 5, 5, 'admin_adjustment', 'staff', "
        "gen_random_uuid(), '', now()"
    ),
    "the same event again": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 1993, journal_length = 4 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 4, 1000, 1993, transaction_type, counterparty, reference_id, '', "
        "now() FROM credit_transactions WHERE user_id = '{ann}' AND sequence = 1"
    ),
    "a payout in NaN": sql(
        "WITH moved AS (UPDATE users SET credit_balance = 'NaN', journal_length = 4 WHERE id = '{ann}') "
        "{insert} SELECT gen_random_uuid(), '{ann}', 4, 'NaN', 'NaN', 'bet_payout', 'escrow', gen_random_uuid(), '', now()"
    ),
}


# COPY isn't wrapped by Django.
REFUSALS = (DatabaseError, psycopg.DatabaseError, ProtectedError)


@pytest.fixture
def books(ann):
    bob = make_user("bob", balance=50)
    post_many([adjustment(ann, -10), adjustment(bob, 5), adjustment(ann, 3)], now=NOW)
    ann.refresh_from_db()
    # What is still to be checked is checked now, else that alone keeps a table from being emptied.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("SET CONSTRAINTS ALL DEFERRED")
    return ann, bob


def state(*users):
    return [
        (booked(user), ledger_entries(user, "pk", "amount", "balance_after", "reference_id", "description"))
        for user in users
    ]


def test_there_are_ways_enough():
    assert len(ATTACKS) >= 30


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_ledger_cant_be_broken_by(attack, books):
    before = state(*books)

    def strike():
        with transaction.atomic():
            ATTACKS[attack](*books)
            execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(REFUSALS) as raised:
        strike()
    # Of the ways to fail, none that only says that the attack was badly written.
    state_of = getattr(raised.value.__cause__ or raised.value, "sqlstate", "23")
    assert state_of.startswith(("22", "23")) or state_of in {"428C9", "0A000"}, raised.value
    assert state(*books) == before
    assert audit.audit().passed


FOUND_BY_THE_AUDIT = {
    "locked credits": (sql("UPDATE users SET locked_credits = 5 WHERE id = '{ann}'"), "locked"),
    "volume": (sql("UPDATE users SET total_volume = 5 WHERE id = '{ann}'"), "volume"),
    "expended credits": (sql("UPDATE users SET expended_credits = 5 WHERE id = '{ann}'"), "expended"),
    "profit": (sql("UPDATE users SET overall_pnl = 1e9 WHERE id = '{ann}'"), "profit"),
    "referral credits": (sql("UPDATE users SET referral_credits_earned = 200 WHERE id = '{ann}'"), "referrals"),
    "a forged bonus": (
        sql(
            "WITH moved AS (UPDATE users SET credit_balance = 1993, journal_length = 4 WHERE id = '{ann}') {insert} "
            "SELECT gen_random_uuid(), '{ann}', 4, 1000, 1993, 'signup_bonus', 'issuance', gen_random_uuid(), '', now()"
        ),
        "bonuses",
    ),
}


@pytest.mark.parametrize("attack", FOUND_BY_THE_AUDIT)
def test_the_audit_finds_forged(attack, books):
    act, invariant = FOUND_BY_THE_AUDIT[attack]
    act(*books)
    assert [name for name, finding in audit.audit().findings.items() if finding.broken] == [invariant]
