"""Each rule of ledger entries that the database keeps, by its name."""

from decimal import Decimal
from hashlib import sha256
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, transaction

from economy.models import DIRECTIONS, IN, OUT, Counterparty, TransactionType
from tests.economy.factories import NOW, execute, hash_of

# A row as the ledger would write it: it follows `ann`'s first.
ROW = {
    "id": None,
    "user_id": None,
    "sequence": 2,
    "amount": Decimal(10),
    "balance_after": Decimal(1010),
    "transaction_type": "admin_adjustment",
    "counterparty": "staff",
    "reference_id": None,
    "occurrence": 0,
    "description": "",
    "created_at": NOW,
}


def hashed(user, **changes):
    """The row with these changes, and its hash unless that is one of them."""
    row = {**ROW, "id": uuid4(), "user_id": user.pk, "reference_id": uuid4(), **changes}
    return row if "hash" in row else {**row, "hash": hash_of(**row)}


def write(user, **changes):
    """The row and the user's new balance in one statement, as the ledger does, whatever they say."""
    row = hashed(user, **changes)
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    execute(
        f"WITH moved AS (UPDATE users SET credit_balance = %s, journal_length = %s, ledger_head = %s WHERE id = %s) "  # noqa: S608
        f"INSERT INTO credit_transactions ({columns}) VALUES ({places})",
        row["balance_after"],
        row["sequence"],
        row["hash"],
        user.pk,
        *row.values(),
    )


def refusal(user, **changes) -> str:
    """The name of the constraint that refuses the row."""
    with pytest.raises((IntegrityError, DataError)) as raised, transaction.atomic():
        write(user, **changes)
    return raised.value.__cause__.diag.constraint_name or raised.value.__cause__.sqlstate


def test_an_honest_row_is_taken(ann):
    write(ann)


BAD_ROWS = [
    ("credit_transactions_amount_not_zero", {"amount": Decimal(0), "balance_after": Decimal(1000)}),
    ("credit_transactions_amounts_are_numbers", {"amount": Decimal("NaN"), "balance_after": Decimal(1010)}),
    ("credit_transactions_balance_not_negative", {"amount": Decimal(-1001), "balance_after": Decimal(-1)}),
    ("credit_transactions_sequence_positive", {"sequence": 0}),
    ("credit_transactions_sequence_positive", {"sequence": -1}),
    ("credit_transactions_occurrence_valid", {"occurrence": 1}),
    (
        "credit_transactions_occurrence_valid",
        {"occurrence": -1, "transaction_type": "bet_payout", "counterparty": "escrow"},
    ),
    ("credit_transactions_direction", {"transaction_type": "gift"}),
    ("credit_transactions_direction", {"counterparty": "nobody"}),
    ("credit_transactions_direction", {"transaction_type": "bet_payout", "counterparty": "staff"}),
    ("credit_transactions_chain", {"balance_after": Decimal(1011)}),
    ("credit_transactions_chain", {"sequence": 3}),
    ("credit_transactions_chain", {"hash": sha256(b"another").digest()}),
    ("credit_transactions_chain", {"hash": b""}),
    ("credit_transactions_sequence_unique", {"sequence": 1}),
    ("22003", {"amount": Decimal("Infinity")}),  # numeric value out of range
    ("22003", {"amount": Decimal(10) ** 16}),
]


@pytest.mark.parametrize(("name", "changes"), BAD_ROWS)
def test_a_row_that_breaks_a_rule_is_refused_by_its_name(ann, name, changes):
    if changes.get("sequence", 2) < 1 or name == "credit_transactions_balance_not_negative":
        # Else the rules of the user's row would refuse it first.
        row = hashed(ann, **changes)
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        with pytest.raises(IntegrityError) as raised, transaction.atomic():
            execute(f"INSERT INTO credit_transactions ({columns}) VALUES ({places})", *row.values())  # noqa: S608
        assert raised.value.__cause__.diag.constraint_name == name
    else:
        assert refusal(ann, **changes) == name


@pytest.mark.parametrize("missing", ["user_id", "reference_id", "created_at", "balance_after", "hash"])
def test_nothing_may_be_missing(ann, missing):
    assert refusal(ann, **{missing: None}) == "23502"  # not null


@pytest.mark.parametrize("kind", TransactionType)
@pytest.mark.parametrize("counterparty", Counterparty)
@pytest.mark.parametrize("amount", [10, -10])
def test_each_type_goes_only_its_ways(ann, kind, counterparty, amount):
    allowed = DIRECTIONS[kind].get(counterparty)
    changes = {
        "transaction_type": kind,
        "counterparty": counterparty,
        "amount": Decimal(amount),
        "balance_after": Decimal(1000 + amount),
    }
    if allowed is None or allowed == (OUT if amount > 0 else IN):
        assert refusal(ann, **changes) == "credit_transactions_direction"
    elif counterparty == Counterparty.HOUSE and amount < 0:
        assert refusal(ann, **changes) == "debts_repaid_at_most_what_was_lent"  # nothing is owed
    else:
        write(ann, **changes)


@pytest.mark.parametrize("kind", TransactionType)
def test_no_event_is_booked_twice(ann, kind):
    counterparty, sign = next(iter(DIRECTIONS[kind].items()))
    step = Decimal(-10 if sign == OUT else 10)
    same = {"transaction_type": kind, "counterparty": counterparty, "reference_id": uuid4(), "amount": step}
    write(ann, **same, balance_after=1000 + step)
    name = refusal(ann, **same, sequence=3, balance_after=1000 + 2 * step)
    assert name in {"credit_transactions_once", "credit_transactions_settled_once"}


def test_a_bet_is_paid_or_refunded_never_both(ann):
    bet = {"counterparty": "escrow", "reference_id": uuid4()}
    write(ann, transaction_type="bet_refund", **bet)
    again = refusal(ann, transaction_type="bet_payout", sequence=3, balance_after=Decimal(1020), **bet)
    assert again == "credit_transactions_settled_once"
