"""Ways to break the ledger with the application's own role through the ORM and bulk operations. All are refused.

Statements in SQL, and what the audit alone finds, are in `tests/hostile`.
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
    "a balance saved by the ORM": saved(set_balance),
    "a balance updated by the ORM": lambda ann, bob: User.objects.update(credit_balance=F("credit_balance") + 100),
    "balances updated in bulk": bulk_update_users,
    "users upserted in bulk": upsert_users,
    "a newcomer with credits": rich_newcomer,
    # Ledger entries.
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
