"""What the database refuses of resolution records, by name."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from accounts.models import User
from markets.models import MarketResolution
from tests.markets.factories import add_market
from tests.roles import as_superuser

pytestmark = pytest.mark.django_db


def add(now, **fields):
    given = {"decision": "unknown", "source": "polymarket", "reason": "Closed.", "seen_at": now}
    return MarketResolution.objects.create(**({"market": add_market(), **given} | fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("market_resolutions_known_decision", {"decision": "perhaps"}),
        ("market_resolutions_known_source", {"source": "rumour"}),
        ("market_resolutions_with_reason", {"reason": ""}),
        ("market_resolutions_with_reason", {"reason": " \n"}),
    ],
)
def test_a_record_says_what_was_decided_by_whom_and_why(constraint, fields, now):
    with pytest.raises(IntegrityError, match=rf'constraint "{constraint}"'), transaction.atomic():
        add(now, **fields)


@pytest.mark.parametrize("source", ["polymarket", "clock"])
def test_a_member_of_staff_is_named_for_their_own_decisions_alone(source, now):
    grace = User.objects.create_user(email="grace@example.com", username="grace", is_staff=True)
    assert add(now, source="staff", staff=grace).pk
    with pytest.raises(IntegrityError, match="market_resolutions_staff_by_staff"), transaction.atomic():
        add(now, source=source, staff=grace)


@pytest.mark.parametrize(
    ("statement", "trigger"),
    [
        ("UPDATE market_resolutions SET reason = 'Otherwise.'", "market_resolutions_append_only"),
        ("DELETE FROM market_resolutions", "market_resolutions_append_only"),
        ("TRUNCATE market_resolutions", "market_resolutions_never_emptied"),
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_record_is_never_changed_whoever_tries(statement, trigger, role, now):
    add(now)
    with transaction.atomic(), as_superuser(), connection.cursor() as cursor:
        # What is still to be checked would be in TRUNCATE's way before the trigger is.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT set_config('session_replication_role', %s, true)", [role])
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            cursor.execute(statement)
    assert refused.value.__cause__.diag.constraint_name == trigger
    assert MarketResolution.objects.get().reason == "Closed."


def test_a_market_with_records_is_not_deleted(now):
    with pytest.raises(IntegrityError), transaction.atomic():
        add(now).market.delete()


def test_staff_read_it_in_the_admin_and_change_nothing(now):
    row = add(now)
    User.objects.create_superuser(email="root@example.com", username="root", password="a-Long-one-42")
    client = Client()
    assert client.login(username="root", password="a-Long-one-42") or client.login(
        email="root@example.com", password="a-Long-one-42"
    )
    assert b"Will the kettle boil?" in client.get("/admin/markets/marketresolution/").content
    page = client.get(f"/admin/markets/marketresolution/{row.pk}/change/")
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert client.post(f"/admin/markets/marketresolution/{row.pk}/delete/").status_code == 403
