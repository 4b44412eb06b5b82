"""What settlements came to is chained when they are finished or reversed, so that a change of it is found."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.staff import StaffMember
from betting.models import Settlement, SettlementRecord
from betting.reversal import reverse_settlement
from economy.ledger import anchors
from economy.ledger.audit import audit
from tests import roles
from tests.betting.settlement.factories import end, settle

pytestmark = pytest.mark.django_db


def broken():
    return {name for name, finding in audit().findings.items() if finding.broken}


@pytest.fixture
def settled(ann, kettle, new_player):
    ann.bet(kettle, 100, "this")
    new_player("bob").bet(kettle, 100, "that")
    end(kettle, "this")
    settle(kettle, size=1)
    return Settlement.objects.get(market=kettle)


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def as_owner(*statements):
    with roles.guards_off("settlements", "settlement_records"):
        for statement in statements:
            execute(statement)


def test_one_is_recorded_when_it_is_finished_and_when_it_is_reversed(settled, kettle):
    (first,) = SettlementRecord.objects.all()
    assert (first.settlement_id, first.state["won"], first.state["lost"]) == (settled.pk, 1, 1)
    reverse_settlement(market_id=kettle.pk, by=StaffMember(None), reason="The other one.", now=timezone.now())
    second = SettlementRecord.objects.get(sequence=2)
    assert second.state["reversal_reason"] == "The other one."
    end(kettle, "that")
    settle(kettle)
    assert SettlementRecord.objects.count() == 3
    assert broken() == set()


CHANGES = [
    "UPDATE settlements SET started_at = started_at - interval '1 hour'",
    "UPDATE settlements SET paid = paid + 1",
    "DELETE FROM settlements",
    "UPDATE settlement_records SET state = state || '{\"paid\": 1}'",
    "UPDATE settlement_records SET settlement_id = gen_random_uuid()",
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_owner_who_changes_a_settlement_is_found(settled, change):
    as_owner(change)
    assert "settlements_chain" in broken()


def test_a_record_made_anew_with_its_hash_is_found_by_the_anchors_alone(settled):
    anchors.anchor(now=timezone.now())
    assert broken() == set()
    as_owner(
        "UPDATE settlements SET started_at = started_at - interval '1 hour'",
        "UPDATE settlement_records SET state = settlement_state(settlements) FROM settlements WHERE settlement_id = id",
        "UPDATE settlement_records AS link SET hash = settlement_records_hash(NULL, link)",
    )
    assert broken() == {"anchors"}


@pytest.mark.parametrize(
    "change",
    ["UPDATE settlement_records SET state = '{}'", "DELETE FROM settlement_records", "TRUNCATE settlement_records"],
)
def test_with_the_guards_on_it_is_refused(settled, change):
    with pytest.raises(DatabaseError, match="never changed"), roles.as_owner(), transaction.atomic():
        execute(change)
    assert broken() == set()
