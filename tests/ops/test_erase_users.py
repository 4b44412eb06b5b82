"""The job that erases users who left: those whose time is over, once, and nobody else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import rules, services
from accounts.models import User
from core.models import JobRun
from ops.errors import UsersNotErased
from ops.personal_data import erase_due_users, erase_if_due
from ops.tasks import erase_users
from tests.accounts.factories import PASSWORD, SOMEWHERE, sign_up
from tests.betting.factories import Player, assert_audit_passes, execute
from tests.betting.settlement.factories import end, settle
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market
from tests.roles import as_owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


def leaver(name, *, now):
    signed_in = sign_up(name)
    services.leave(user_id=signed_in.user.pk, password=PASSWORD, now=now)
    return signed_in


def is_erased(signed_in):
    return User.objects.values_list("erased_at", flat=True).get(pk=signed_in.user.pk) is not None


def test_who_left_is_erased_at_the_date_and_not_before(now):
    ann, bob = leaver("ann", now=now), sign_up("bob")
    due_at = now + rules.ACCOUNT_DELETION_PERIOD
    assert erase_due_users(now=due_at - timedelta(microseconds=1)) == {"erased": 0}
    assert not is_erased(ann)
    assert erase_due_users(now=due_at) == {"erased": 1}
    assert is_erased(ann)
    assert not is_erased(bob)


def test_again_it_erases_nobody(now):
    leaver("ann", now=now)
    later = now + timedelta(days=30)
    assert [erase_due_users(now=later)["erased"] for _ in range(3)] == [1, 0, 0]
    assert staff_actions().filter(action="erase_user").count() == 1


def test_who_came_back_stays(now):
    ann = leaver("ann", now=now)
    services.log_in(email="ann@example.com", password=PASSWORD, client=SOMEWHERE, now=now)
    assert erase_due_users(now=now + timedelta(days=30)) == {"erased": 0}
    assert not is_erased(ann)


def test_who_comes_back_once_the_job_has_looked_stays(now):
    ann = leaver("ann", now=now)
    services.log_in(email="ann@example.com", password=PASSWORD, client=SOMEWHERE, now=now)
    assert erase_if_due(user_id=ann.user.pk, now=now + timedelta(days=30)) is None
    assert not is_erased(ann)


def test_all_who_are_due_are_erased_however_many_there_are(now, monkeypatch):
    monkeypatch.setattr(rules, "ERASURE_BATCH", 2)
    left = [leaver(f"user_{number}", now=now) for number in range(5)]
    assert erase_due_users(now=now + timedelta(days=8)) == {"erased": 5}
    assert all(map(is_erased, left))


def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(now, monkeypatch):
    left = [leaver(f"user_{number}", now=now) for number in range(2)]
    monkeypatch.setattr(rules, "ERASURE_RUN_SECONDS", 0)
    assert erase_due_users(now=now + timedelta(days=8)) == {"erased": 0}
    monkeypatch.undo()
    assert erase_due_users(now=now + timedelta(days=8)) == {"erased": 2}
    assert all(map(is_erased, left))


def test_their_bets_are_settled_and_the_ledger_is_whole(now):
    ann, market = sign_up("ann"), add_market()
    player = Player(ann.user, ann.tokens.access)
    player.bet(market, 100)
    services.leave(user_id=ann.user.pk, password=PASSWORD, now=now)
    erase_due_users(now=now + timedelta(days=8))
    assert_audit_passes()
    end(market)
    settle(market)
    assert player.booked()["locked_credits"] == 0
    assert_audit_passes()


def test_the_record_says_that_the_user_wanted_it(now):
    ann = leaver("ann", now=now)
    erase_due_users(now=now + timedelta(days=8))
    action = staff_actions().get(action="erase_user")
    assert (action.target_id, action.staff) == (str(ann.user.pk), None)
    assert action.reason == "Deleted by the user, who didn't come back."


@pytest.mark.django_db(transaction=True)
def test_who_cannot_be_erased_holds_up_nobody_and_staff_see_it(now):
    first, second, third = (leaver(name, now=now - timedelta(days=8)) for name in ("ann", "bob", "carl"))
    with as_owner():
        execute(f"ALTER TABLE users ADD CONSTRAINT users_stays CHECK (id <> '{second.user.pk}' OR erased_at IS NULL)")
    try:
        with pytest.raises(UsersNotErased):
            erase_users()
    finally:
        with as_owner():
            execute("ALTER TABLE users DROP CONSTRAINT users_stays")
    assert [is_erased(each) for each in (first, second, third)] == [True, False, True]
    run = JobRun.objects.get(job="ops.erase_users")
    assert (run.status, run.result) == ("failed", {"erased": 2, "failed": [str(second.user.pk)]})
    erase_users()
    assert is_erased(second)
