"""Whoever owns the database can switch its guards off and write what they like: the audit finds it, by its name."""

import json
import logging
import threading
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts.models import StaffAction
from accounts.staff import StaffMember, record_action
from core.models import JobRun
from economy import rules, tasks
from economy.errors import AnchorsUnpublished
from economy.ledger import anchors, audit, post_many
from economy.models import CreditTransaction, LedgerAnchor
from tests import roles
from tests.economy.factories import NOW, adjustment, execute, give, make_user

GUARDED = ("users", "credit_transactions", "staff_actions", "ledger_anchors", "ledger_anchor_heads")
# What an owner who knows the recipe does after a change: all hashes of a user anew, and the head.
CHAIN_ANEW = """
WITH chained AS (
    SELECT id, sequence, ledger_chain(NULL, user_id, ledger_content(sequence, id, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, created_at, description))
        OVER (PARTITION BY user_id ORDER BY sequence) AS hash
    FROM credit_transactions WHERE user_id = %(user)s
), written AS (
    UPDATE credit_transactions AS entry SET hash = chained.hash FROM chained WHERE entry.id = chained.id
)
UPDATE users SET ledger_head = (SELECT hash FROM chained ORDER BY sequence DESC LIMIT 1) WHERE id = %(user)s
"""


@pytest.fixture
def books(ann):
    """Ann has three entries, bob two; staff did two things; all of it is anchored."""
    bob = make_user("bob", balance=50)
    post_many([adjustment(ann, -10), adjustment(bob, 5), adjustment(ann, 3)], now=NOW)
    act("suspend_user", ann)
    act("reinstate_user", ann)
    anchors.anchor(now=NOW)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    return ann, bob


def act(action, target):
    with transaction.atomic():
        record_action(
            action, by=StaffMember(None), target=target, reason="Why not.", before={"a": 1}, after={"a": 2}, now=NOW
        )


def as_owner(*statements, **parameters):
    """Run statements with every trigger of the tables switched off, and on again."""
    with roles.guards_off(*GUARDED), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, parameters or None)


def broken():
    return {name for name, finding in audit.audit().findings.items() if finding.broken}


def test_what_is_honest_passes(books):
    ann, _ = books
    assert broken() == set()
    give(ann, 7)
    act("suspend_user", ann)
    assert broken() == set()
    anchors.anchor(now=NOW)
    anchors.anchor(now=NOW)
    assert broken() == set()


A_DESCRIPTION = "UPDATE credit_transactions SET description = 'A gift' WHERE user_id = %(user)s"


def test_new_entries_on_a_rewritten_history_do_not_hide_it(books):
    ann, _ = books
    as_owner(A_DESCRIPTION, CHAIN_ANEW, user=ann.pk)
    give(ann, 1)
    anchors.anchor(now=NOW)
    assert broken() == {"anchors"}


def test_a_repair_leaves_the_evidence_of_a_deleted_entry(books):
    ann, _ = books
    as_owner("DELETE FROM credit_transactions WHERE user_id = %(user)s AND sequence = 3", user=ann.pk)
    assert audit.audit(repair=True).repaired == 0
    assert {"ledger_chain", "anchors"} <= broken()


def test_a_forged_place_in_a_chain_is_not_taken(books):
    """The database gives it, whatever an insert says."""
    ann, _ = books
    forged = StaffAction(
        created_at=NOW, action="suspend_user", target_type="accounts.user", target_id=str(ann.pk), reason="So.",
        before={}, after={}, sequence=77, hash=sha256(b"").digest(),
    )  # fmt: skip
    last = StaffAction.objects.latest("id").sequence
    forged.save()
    assert StaffAction.objects.latest("id").sequence == last + 1
    assert broken() == set()


# Copies outside the database


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "anchors.jsonl"
    monkeypatch.setattr(rules, "ANCHOR_FILE", str(path))
    return path


def compare(path):
    out = StringIO()
    with suppress(SystemExit):
        call_command("audit_ledger", "--json", "--anchors", str(path), stdout=out)
    return {name for name, finding in json.loads(out.getvalue())["checks"].items() if finding["broken"]}


def test_anchors_are_added_to_a_file_once_each_and_agree_with_the_table(books, file):
    assert anchors.publish(now=NOW) == {"filed_at": 1}
    anchors.anchor(now=NOW)
    assert anchors.publish(now=NOW) == {"filed_at": 1}
    assert anchors.publish(now=NOW) == {"filed_at": 0}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2]
    assert lines[0] == {
        "sequence": 1,
        "anchoredAt": "2026-03-05T12:00:00.000Z",
        "entries": 5,
        "users": 2,
        "hash": bytes(LedgerAnchor.objects.get(pk=1).hash).hex(),
    }
    assert compare(file) == set()


ALL_ANEW = """
DELETE FROM ledger_anchor_heads;
INSERT INTO ledger_anchor_heads (anchor, user_id, sequence, hash)
    SELECT 1, id, journal_length, ledger_head FROM users WHERE journal_length > 0;
UPDATE ledger_anchors SET heads_hash = hashed.heads_hash FROM ({heads_hash}) AS hashed WHERE sequence = anchor;
UPDATE ledger_anchors SET hash = ledger_anchors_hash(NULL, ledger_anchors)
"""


def test_whoever_rewrites_everything_with_the_anchors_is_found_by_the_copy_alone(books, file):
    ann, _ = books
    anchors.publish(now=NOW)
    anew = ALL_ANEW.format(heads_hash=anchors.HEADS_HASH.format(heads="ledger_anchor_heads"))
    as_owner(A_DESCRIPTION, CHAIN_ANEW, *anew.split(";"), user=ann.pk)
    assert broken() == set()
    assert compare(file) == {"published_anchors"}


def test_an_anchor_deleted_with_all_that_is_behind_it_is_found_by_the_copy(books, file):
    ann, _ = books
    give(ann, 7)
    anchors.anchor(now=NOW)
    anchors.publish(now=NOW)
    as_owner("DELETE FROM ledger_anchors WHERE sequence = 2", "DELETE FROM ledger_anchor_heads WHERE anchor = 2")
    assert broken() == set()
    assert compare(file) == {"published_anchors"}


class Receiver(BaseHTTPRequestHandler):
    """An address that keeps what it gets, refuses as often as it is told, and responds with as much as is read."""

    received, refusals = [], 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 503 if Receiver.refusals else 200
        Receiver.refusals = max(0, Receiver.refusals - 1)
        if status == 200:
            Receiver.received.append(json.loads(body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"x" * 64 * 1024)

    def log_message(self, *args):
        pass


@pytest.fixture
def address(monkeypatch):
    Receiver.received, Receiver.refusals = [], 0
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(rules, "ANCHOR_URL", f"http://127.0.0.1:{server.server_port}/anchors")
    yield Receiver
    server.shutdown()
    server.server_close()


@pytest.mark.django_db(transaction=True)
def test_the_job_anchors_logs_and_publishes_and_the_next_run_makes_good_what_failed(address, caplog):
    make_user("ann", balance=1000)
    address.refusals = 1
    with caplog.at_level(logging.INFO), pytest.raises(AnchorsUnpublished, match="503"):
        tasks.anchor()
    assert [record.levelname for record in caplog.records if record.getMessage().startswith("ledger anchor {")] == [
        "INFO"
    ]
    assert address.received == []
    tasks.anchor()
    assert [line["sequence"] for line in address.received] == [1, 2]
    assert address.received[1]["hash"] == bytes(LedgerAnchor.objects.get(pk=2).hash).hex()
    assert JobRun.objects.latest("pk").result == {"sequence": 2, "entries": 1, "posted_at": 2}


def test_a_file_that_cant_be_written_leaves_the_anchor_unpublished(books, monkeypatch, tmp_path):
    monkeypatch.setattr(rules, "ANCHOR_FILE", str(tmp_path / "missing" / "anchors.jsonl"))
    with pytest.raises(AnchorsUnpublished):
        anchors.publish(now=NOW)
    assert LedgerAnchor.objects.filter(filed_at=None).count() == 1


def test_sums_of_an_anchor_are_those_of_all_entries(books):
    ann, bob = books
    post_many([adjustment(ann, -3), adjustment(bob, 400)], now=NOW)
    made = anchors.anchor(now=NOW)
    assert (made.users, made.entries, made.circulation) == (2, 7, 1445)
    assert {account: float(value) for account, value in made.counterparties.items() if float(value)} == {"staff": -1445}


def test_entries_posted_in_any_way_have_one_chain(ann):
    give(ann, 1)
    post_many([adjustment(ann, 2), adjustment(ann, -1), adjustment(ann, 5, reference_id=uuid4())], now=NOW)
    rows = CreditTransaction.objects.filter(user=ann).order_by("sequence")
    ann.refresh_from_db()
    assert bytes(rows.last().hash) == bytes(ann.ledger_head)
    assert len({bytes(row.hash) for row in rows}) == 5
    assert broken() == set()
