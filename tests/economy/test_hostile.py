"""Ways to break the ledger with the application's own role: raw SQL, the ORM, bulk operations. All are refused.

What the database alone can't refuse is in `test_audit.py` and at the end of this file: the audit finds it.
"""

from contextlib import nullcontext
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
from tests.economy.factories import NOW, adjustment, booked, execute, hash_of, ledger_entries, make_user
from tests.roles import as_superuser

# Entries with the hashes that they should have, in one statement with what is done to a user, whose head follows the first.
FORGE = """
WITH given AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, now() AS created_at, {user} AS user_id, {entry} FROM {source}
), hashed AS MATERIALIZED (
    SELECT given.*, ledger_chain(users.ledger_head, user_id, ledger_content(
        sequence, given.id, amount, balance_after, transaction_type, counterparty, reference_id, 0, given.created_at, ''
    )) OVER (PARTITION BY user_id ORDER BY sequence) AS hash
    FROM given LEFT JOIN users ON users.id = user_id
), moved AS (
    UPDATE users SET {moved}, ledger_head = (SELECT hash FROM hashed ORDER BY sequence LIMIT 1) WHERE id = {whose}
)
INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
    reference_id, description, created_at, hash)
SELECT id, user_id, sequence, amount, balance_after, transaction_type, counterparty, reference_id, '', created_at, hash
FROM hashed
"""
ENTRY = {
    "sequence": "4::bigint",
    "amount": "5::numeric",
    "balance_after": "998::numeric",
    "transaction_type": "'admin_adjustment'",
    "counterparty": "'staff'",
    "reference_id": "gen_random_uuid()",
}


def forge(moved, *, whose="'{ann}'", user="'{ann}'::uuid", source="(SELECT 1) AS one", **changes):
    """An act that writes entries of a user, and does `moved` to the row of the user `whose`."""
    entry = ", ".join(f"{value} AS {column}" for column, value in {**ENTRY, **changes}.items())
    return sql(FORGE.format(user=user, entry=entry, source=source, moved=moved, whose=whose))


def sql(statement):
    return lambda ann, bob: execute(statement.format(ann=ann.pk, bob=bob.pk))


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
    made = CreditTransaction(**{**fields, **changes})
    made.hash = hash_of(**{field.attname: getattr(made, field.attname) for field in made._meta.concrete_fields})
    return made


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


COLUMNS = ", ".join(field.column for field in CreditTransaction._meta.concrete_fields)


def copy_rows(ann, bob):
    entry = row(ann)
    with connection.cursor() as cursor, cursor.copy(f"COPY credit_transactions ({COLUMNS}) FROM STDIN") as copy:
        copy.write_row([getattr(entry, field.attname) for field in entry._meta.concrete_fields])


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
    "a row with a wrong balance": forge("credit_balance = 2000, journal_length = 4", balance_after="2000::numeric"),
    "a row and another balance": forge("credit_balance = 2000, journal_length = 4"),
    "a row for one, the balance for another": forge("credit_balance = 998, journal_length = 4", whose="'{bob}'"),
    "a gap in the numbers": forge("credit_balance = 998, journal_length = 5", sequence="5::bigint"),
    "two rows, moved on by one": forge(
        "credit_balance = 998, journal_length = 4",
        sequence="3 + n::bigint",
        balance_after="993 + 5 * n::numeric",
        source="generate_series(1, 2) AS n",
    ),
    "a row of nobody": forge(
        "bio = ''",
        user="'4fd62b6c-25d1-4fd5-a3a5-2f4a3a7a6a2c'::uuid",
        whose="NULL",
        sequence="1::bigint",
        balance_after="5::numeric",
    ),
    "the same event again": forge(
        "credit_balance = 1993, journal_length = 4",
        amount="1000::numeric",
        balance_after="1993::numeric",
        reference_id="reference_id",
        source="(SELECT reference_id FROM credit_transactions WHERE user_id = '{ann}' AND sequence = 1) AS first",
    ),
    "a payout in NaN": forge(
        "credit_balance = 'NaN', journal_length = 4",
        amount="'NaN'::numeric",
        balance_after="'NaN'::numeric",
        transaction_type="'bet_payout'",
        counterparty="'escrow'",
    ),
    # The chain of hashes.
    "a hash edited": sql("UPDATE credit_transactions SET hash = sha256('') WHERE user_id = '{ann}'"),
    "a head set by hand": sql("UPDATE users SET ledger_head = sha256('') WHERE id = '{ann}'"),
    "a head taken away": sql("UPDATE users SET ledger_head = NULL WHERE id = '{ann}'"),
    "a newcomer with a head": sql(
        "INSERT INTO users (id, email, username, name, ledger_head, password, is_superuser, avatar_url, bio, "
        "x_username, is_active, is_staff, referral_code) "
        "SELECT gen_random_uuid(), 'e@x.y', 'eve', 'eve', sha256(''), '', false, '', '', '', true, false, 'ABCDEFGH'"
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


@pytest.mark.parametrize("who", [nullcontext, as_superuser], ids=["by the service", "by a superuser"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_ledger_cant_be_broken_by(attack, who, books):
    before = state(*books)

    def strike():
        with who(), transaction.atomic():
            ATTACKS[attack](*books)
            execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(REFUSALS) as raised:
        strike()
    # Of the ways to fail, none that only says that the attack was badly written.
    state_of = getattr(raised.value.__cause__ or raised.value, "sqlstate", "23")
    missing_rights = {"42501"} if who is nullcontext else set()
    assert state_of.startswith(("22", "23")) or state_of in {"428C9", "0A000"} | missing_rights, raised.value
    assert state(*books) == before
    assert audit.audit().passed


FOUND_BY_THE_AUDIT = {
    "locked credits": (sql("UPDATE users SET locked_credits = 5 WHERE id = '{ann}'"), "locked"),
    "volume": (sql("UPDATE users SET total_volume = 5 WHERE id = '{ann}'"), "volume"),
    "expended credits": (sql("UPDATE users SET expended_credits = 5 WHERE id = '{ann}'"), "expended"),
    "profit": (sql("UPDATE users SET overall_pnl = 1e9 WHERE id = '{ann}'"), "profit"),
    "referral credits": (sql("UPDATE users SET referral_credits_earned = 200 WHERE id = '{ann}'"), "referrals"),
    "a forged bonus": (
        forge(
            "credit_balance = 1993, journal_length = 4",
            amount="1000::numeric",
            balance_after="1993::numeric",
            transaction_type="'signup_bonus'",
            counterparty="'issuance'",
        ),
        "bonuses",
    ),
}


@pytest.mark.parametrize("attack", FOUND_BY_THE_AUDIT)
def test_the_audit_finds_forged(attack, books):
    act, invariant = FOUND_BY_THE_AUDIT[attack]
    act(*books)
    assert [name for name, finding in audit.audit().findings.items() if finding.broken] == [invariant]
