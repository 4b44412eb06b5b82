"""`manage.py refund_purchase`: as text, and with --json for programs."""

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from purchases.models import CreditPurchase
from tests.economy.factories import staff_actions
from tests.purchases.factories import assert_audit_passes, everything

pytestmark = pytest.mark.django_db
WHY = ("--reason", "Bought by mistake.")


def run(*arguments):
    output = StringIO()
    call_command("refund_purchase", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def refused(*arguments):
    """What it says of why it can't; the exit status is 1, and nothing changed."""
    before, output = everything(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("refund_purchase", *arguments, stdout=output, stderr=output)
    assert (ended.value.code, everything()) == (1, before)
    return output.getvalue()


def test_it_takes_back_the_credits_and_says_so(ann):
    purchase = ann.buy("pro")
    assert run(purchase["id"], *WHY) == f"Refunded: 2,500.00 credits of {ann.id}\n"
    assert ann.ledger_entries() == [("credit_purchase", 2500), ("purchase_refund", -2500)]
    assert_audit_passes()


def test_with_json_it_prints_one_line(ann):
    purchase = ann.buy("pro", externalId="order-1")
    line = run(purchase["id"], *WHY, "--json")
    assert line.count("\n") == 1
    said = json.loads(line)
    assert said["success"] is True
    refunded_at = said["data"].pop("refundedAt")
    assert said["data"] == {
        "purchaseId": purchase["id"],
        "userId": str(ann.id),
        "status": "refunded",
        "creditsTakenBack": 2500,
        "provider": "manual",
        "externalId": "order-1",
    }
    assert refunded_at.endswith("Z")


def test_whoever_has_the_command_line_is_on_record_without_a_name(ann):
    purchase = ann.buy()
    run(purchase["id"], *WHY)
    action = staff_actions().get()
    assert (action.staff, action.ip, action.action, action.reason) == (None, None, "refund_purchase", WHY[1])
    event = CreditPurchase.objects.get().events.get(kind="refunded")
    assert (event.actor, event.note) == (None, WHY[1])
    assert_audit_passes()


def test_what_cannot_be_refunded_is_refused_with_exit_status_1(ann):
    purchase = ann.buy()
    run(purchase["id"], *WHY)
    assert refused(purchase["id"], *WHY) == "Failed: Only a completed purchase can be refunded, and only once.\n"
    said = json.loads(refused(purchase["id"], *WHY, "--json"))
    assert (said["success"], said["code"]) == (False, "purchase_not_refundable")
    assert json.loads(refused(str(uuid4()), *WHY, "--json"))["code"] == "purchase_not_found"
    assert json.loads(refused(purchase["id"], "--reason", " ", "--json"))["code"] == "reason_required"


@pytest.mark.parametrize("arguments", [(), ("not-an-id", *WHY), (str(uuid4()),)])
def test_what_it_cannot_read_is_refused_by_name(db, arguments):
    with pytest.raises(CommandError):
        run(*arguments)


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("refund_purchase", "--help")
    said = capsys.readouterr().out
    assert (ended.value.code, "--reason" in said, "Exits 1" in said) == (0, True, True)
