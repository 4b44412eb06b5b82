"""Nothing but the ledger writes ledger entries or the columns of credits: read from the code of the whole service."""

import ast
import re

import pytest

from economy.ledger.posting import EFFECTS
from tests.architecture.conftest import modules, name_of

COLUMNS = {*EFFECTS, "held_credits"}
LEDGER = {"economy/ledger/posting.py"}
OTHERS = [path for path in modules() if name_of(path) not in LEDGER]
WRITERS = {"update", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "aupdate", "acreate"}
SQL = re.compile(
    r"(insert\s+into|update|delete\s+from|merge\s+into|truncate|copy)\s+(only\s+)?\"?credit_transactions"
    rf"|update\s+(only\s+)?\"?users\b.*\bset\b.*\b({'|'.join(COLUMNS)})\b\s*=",
    re.IGNORECASE | re.DOTALL,
)


def breaches(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            yield node.lineno
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                node.lineno for target in targets if isinstance(target, ast.Attribute) and target.attr in COLUMNS
            )
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITERS | {"User", "create_user", "setattr"} and names_a_column(node):
                yield node.lineno
            if name == "CreditTransaction" or (name in WRITERS | {"save", "delete"} and is_about_entries(node)):
                yield node.lineno


def names_a_column(call):
    words = {keyword.arg for keyword in call.keywords}
    words |= {node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return bool(words & COLUMNS)


def is_about_entries(call):
    return any(isinstance(node, ast.Name) and node.id == "CreditTransaction" for node in ast.walk(call.func))


@pytest.mark.parametrize("path", OTHERS, ids=name_of)
def test_credits_are_written_by_the_ledger_alone(path):
    assert list(breaches(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "user.credit_balance = 5",
        "user.locked_credits += 5",
        "User.objects.filter(pk=1).update(credit_balance=F('credit_balance') + 5)",
        "User.objects.bulk_update(users, ['overall_pnl'])",
        "User(username='ann', credit_balance=1000)",
        "setattr(user, 'held_credits', 5)",
        "CreditTransaction.objects.create(amount=5)",
        "CreditTransaction.objects.all().delete()",
        "CreditTransaction(amount=5).save()",
        "cursor.execute('UPDATE users SET name = 1, total_volume = 5')",
        "cursor.execute('''insert into\\n credit_transactions (id) values (1)''')",
    ],
)
def test_a_write_would_be_noticed(source):
    assert list(breaches(source))


@pytest.mark.parametrize(
    "source",
    ["balance = user.credit_balance", "User.objects.only('credit_balance')", "User.objects.update(bio='x')"],
)
def test_a_read_is_no_write(source):
    assert not list(breaches(source))
