"""What staff do is recorded in the transaction that does it, for good; and who may."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.errors import NotAllowed, ReasonMissing, ReasonTooLong
from accounts.models import Permission
from accounts.staff import COMMAND_LINE, StaffMember, record_action
from tests.economy.factories import staff_actions
from tests.roles import as_owner

pytestmark = pytest.mark.django_db


def write(by, target, **changed):
    said = {"reason": "Asked by mail.", "before": {"is_active": True}, "after": {"is_active": False}, **changed}
    return record_action("suspend_user", by=by, target=target, now=timezone.now(), **said)


def test_a_record_says_who_from_where_what_why_and_how_it_was_before_and_after(boss):
    write(StaffMember(boss, "203.0.113.9"), boss)
    record = staff_actions().get()
    assert (record.staff, record.ip, record.action) == (boss, "203.0.113.9", "suspend_user")
    assert (record.target_type, record.target_id, record.reason) == ("accounts.user", str(boss.pk), "Asked by mail.")
    assert (record.before, record.after) == ({"is_active": True}, {"is_active": False})


@pytest.mark.parametrize("change", ["UPDATE staff_actions SET reason = 'Other.'", "DELETE FROM staff_actions"])
def test_a_record_is_neither_changed_nor_removed(boss, change):
    write(StaffMember(boss), boss)
    with (
        pytest.raises(IntegrityError, match="never changed"),
        as_owner(),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
    assert staff_actions().get().reason == "Asked by mail."


def test_the_records_are_not_emptied(boss):
    connection.check_constraints()
    with (
        pytest.raises(DatabaseError, match="never changed"),
        as_owner(),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE staff_actions")


@pytest.mark.parametrize(
    ("reason", "refusal"), [("", ReasonMissing), ("  \n", ReasonMissing), ("x" * 501, ReasonTooLong)]
)
def test_a_record_needs_a_reason_that_can_be_read(boss, reason, refusal):
    with pytest.raises(refusal):
        write(StaffMember(boss), boss, reason=reason)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_outside_the_transaction_that_does_it(boss):
    with pytest.raises(transaction.TransactionManagementError):
        write(StaffMember(boss), boss)


def may(user):
    return {permission.value for permission in Permission if StaffMember(user).may(permission)}


def test_support_may_look_hold_and_suspend(member):
    assert may(member("sue", role="support")) == {
        "view_markets",
        "view_people",
        "suspend_users",
        "hold_credits",
        "write_notes",
    }


def test_market_managers_may_run_markets(member):
    assert may(member("max", role="market managers")) == {
        "view_markets",
        "manage_house_markets",
        "decide_markets",
        "reverse_markets",
        "set_stock_prices",
        "write_notes",
    }


def test_staff_without_a_role_may_nothing(member):
    assert may(member("new")) == set()


def test_suspended_staff_may_nothing(boss):
    boss.is_active = False
    assert may(boss) == set()


def test_a_role_without_being_staff_gives_nothing(member):
    user = member("sue", role="support")
    user.is_staff = False
    with pytest.raises(NotAllowed):
        StaffMember(user).require(Permission.VIEW_PEOPLE)


def test_the_command_line_may_everything():
    assert all(COMMAND_LINE.may(permission) for permission in Permission)
