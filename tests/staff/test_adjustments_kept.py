"""What the database refuses of adjustments, and what the audit finds."""

from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from economy.ledger import post
from economy.ledger.audit import audit
from economy.models import CreditAdjustment
from tests.economy import factories
from tests.economy.factories import make_user
from tests.roles import as_owner

Status = CreditAdjustment.Status
NOW = timezone.now()


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


@pytest.fixture
def asked(ann, boss):
    return CreditAdjustment.objects.create(**terms(ann, requested_by=boss, status=Status.PENDING))


def terms(user, **fields):
    given = {"user": user, "amount": 5, "limit_in_force": 5, "request_id": uuid4(), "reason": "Why not."}
    return given | {"status": Status.APPLIED, "created_at": NOW} | fields


@contextmanager
def refused(name):
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        yield


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"amount": 0}, "amount_not_zero"),
        ({"amount": 6}, "alone_within_limit"),
        ({"amount": -6}, "alone_within_limit"),
        ({"limit_in_force": -1, "status": Status.PENDING}, "limit_not_negative"),
        ({"reason": ""}, "for_a_reason"),
        ({"status": "lost"}, "state_possible"),
        ({"status": "approved"}, "state_possible"),
        ({"decided_at": NOW}, "state_possible"),
        ({"decision_reason": "Hm."}, "state_possible"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(ann, fields, constraint):
    with refused(f"credit_adjustments_{constraint}"):
        CreditAdjustment.objects.create(**terms(ann, **fields))


def test_a_value_that_is_not_a_number_is_refused(ann):
    with refused("credit_adjustments_amount_not_zero"):
        factories.execute(
            "INSERT INTO credit_adjustments (id, request_id, user_id, amount, limit_in_force, reason, status, created_at,"
            " decision_reason) VALUES (new_id(), new_id(), %s, 'NaN', 5, 'Why not.', 'pending', now(), '')",
            ann.pk,
        )


def test_who_asked_does_not_decide_and_nobody_asks_for_themselves(ann, boss, member):
    decided = {"status": Status.APPROVED, "decided_at": NOW, "decision_reason": "Fine."}
    with refused("credit_adjustments_decided_by_another"):
        CreditAdjustment.objects.create(**terms(ann, requested_by=boss, decided_by=boss, **decided))
    with refused("credit_adjustments_decided_by_another"):
        CreditAdjustment.objects.create(**terms(ann, requested_by=boss, decided_by=ann, **decided))
    with refused("credit_adjustments_of_nobodys_own"):
        CreditAdjustment.objects.create(**terms(boss, requested_by=boss))


def test_one_form_has_one_row(ann, asked):
    with refused("credit_adjustments_requested_once"):
        CreditAdjustment.objects.create(**terms(ann, request_id=asked.request_id))


@pytest.mark.parametrize(
    "change",
    [
        "amount = 500",
        "limit_in_force = 500",
        "reason = 'Other.'",
        "user_id = requested_by_id",
        "created_at = now() - interval '1 day'",
    ],
)
def test_what_was_asked_for_is_never_changed(asked, change):
    with refused("never changed"):
        factories.execute(f"UPDATE credit_adjustments SET {change}")  # noqa: S608


def test_a_decision_is_final_and_no_row_goes(ann, asked, member):
    other = member("other", superuser=True)
    factories.execute(
        "UPDATE credit_adjustments SET status = 'declined', decided_by_id = %s, decided_at = now(),"
        " decision_reason = 'No.' WHERE status = 'pending'",
        other.pk,
    )
    with refused("never changed"):
        factories.execute("UPDATE credit_adjustments SET decision_reason = 'Yes.'")
    with refused("never changed"), as_owner():
        factories.execute("DELETE FROM credit_adjustments")


def broken():
    return {name: finding.examples for name, finding in audit().findings.items() if finding.broken}


def test_credits_given_without_an_adjustment_are_found(ann):
    """As by somebody who knows the ledger, but not this."""
    transfer = factories.adjustment(ann, 5)
    with transaction.atomic():
        post(transfer, now=NOW)
    assert broken() == {"adjustments": [str(transfer.reference_id)]}


def test_an_adjustment_that_moved_nothing_is_found(ann):
    lost = CreditAdjustment.objects.create(**terms(ann))
    assert broken() == {name: [str(lost.pk)] for name in ("adjustments", "adjustment_records")}


def test_an_adjustment_of_another_amount_or_user_is_found(ann):
    for user, amount in ((ann, 6), (make_user("bob"), 5)):
        transfer = factories.adjustment(user, amount)
        CreditAdjustment.objects.create(id=transfer.reference_id, **terms(ann))
        with transaction.atomic():
            post(transfer, now=NOW)
    assert len(broken()["adjustments"]) == 2


def test_what_waits_has_moved_nothing(ann, asked):
    assert audit().passed
    with transaction.atomic():
        post(factories.adjustment(ann, asked.amount, reference_id=asked.pk), now=NOW)
    assert broken() == {"adjustments": [str(asked.pk)]}


def test_those_that_wait_are_found_by_their_index(ann, asked):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT * FROM credit_adjustments WHERE status = 'pending' ORDER BY id DESC LIMIT 50")
        assert "credit_adjustments_pending" in str(cursor.fetchall())
