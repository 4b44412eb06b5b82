"""What ends a user's sign-ins, what the database makes sure of, and how old tokens go."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts import errors, tasks, tokens
from accounts.models import RefreshToken, User
from accounts.services import update_profile
from core.jobs.runs import last_run
from tests.accounts.factories import PASSWORD, SOMEWHERE, live_tokens, refresh, sign_up, stored, suspend
from tests.concurrently import all_at_once

Reason = RefreshToken.Reason
NEW_PASSWORD = "staple paper clip 9"


@pytest.fixture
def ann(db):
    return sign_up("ann")


def reasons(user):
    return set(RefreshToken.objects.filter(user=user).values_list("revoked_reason", flat=True))


def test_a_password_that_django_changes_signs_out_everywhere(ann):
    """As `manage.py changepassword` and the forms of Django's admin do."""
    ann.user.set_password(NEW_PASSWORD)
    ann.user.save()
    assert reasons(ann.user) == {Reason.PASSWORD_CHANGED}


def test_a_changed_profile_signs_nobody_out(ann):
    update_profile(user_id=ann.user.pk, changes={"name": "Other"}, now=datetime.now(UTC))
    assert live_tokens(ann.user) == 1


def test_suspending_signs_out_everywhere_and_nobody_else(ann, now):
    bob = sign_up("bob")
    suspend(ann.user, now=now)
    assert reasons(ann.user) == {Reason.SUSPENDED}
    assert live_tokens(bob.user) == 1
    with pytest.raises(errors.AccountSuspended), transaction.atomic():
        tokens.issue_token_pair(user=ann.user, client=SOMEWHERE, now=now)


@pytest.mark.django_db(transaction=True)
def test_a_user_who_refreshes_while_being_suspended_is_left_with_no_token():
    for round_number in range(5):
        ann = sign_up(f"ann_{round_number}")
        moves = iter(["suspend", *["refresh"] * 5])

        def move(ann=ann, moves=moves):
            if next(moves) == "suspend":
                return suspend(ann.user, now=datetime.now(UTC))
            try:
                return refresh(ann.tokens.refresh)
            except errors.InvalidRefreshToken as exc:
                return exc

        all_at_once(move, 6)
        assert live_tokens(ann.user) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("block", [
    lambda: tokens.rotate(refresh="x", client=SOMEWHERE, now=datetime.now(UTC)),
    lambda: tokens.end_session(refresh="x", now=datetime.now(UTC)),
    lambda: tokens.issue_token_pair(user=User(), client=SOMEWHERE, now=datetime.now(UTC)),
])  # fmt: skip
def test_building_blocks_refuse_to_run_outside_a_transaction(block):
    with pytest.raises(transaction.TransactionManagementError):
        block()


@pytest.mark.django_db(transaction=True)
def test_use_cases_refuse_to_run_inside_a_transaction():
    ann = sign_up("ann")
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        refresh(ann.tokens.refresh)


def test_expired_tokens_are_purged_and_the_run_is_recorded(ann, now):
    sign_up("old", now=now - timedelta(days=8))
    tasks.purge_refresh_tokens()
    assert [token.user for token in RefreshToken.objects.all()] == [ann.user]
    run = last_run("accounts.purge_refresh_tokens")
    assert (run.status, run.result) == ("succeeded", {"deleted": 1, "usernames": 0})


def test_revoked_tokens_stay_until_they_expire_so_that_theft_is_still_seen(ann, now):
    refresh(refresh(ann.tokens.refresh).refresh)
    tasks.purge_refresh_tokens()
    with pytest.raises(errors.TokenReused):
        refresh(ann.tokens.refresh)


def test_purging_goes_on_batch_after_batch(ann, now, settings):
    rows = RefreshToken.objects.filter(user=ann.user).values().get()
    old = {"created_at": now - timedelta(days=9), "expires_at": now - timedelta(days=1)}
    count = tokens.PURGE_BATCH + 5
    made = (
        RefreshToken(user=ann.user, family=rows["family"], token_hash=number.to_bytes(32, "big"), **old)
        for number in range(count)
    )
    RefreshToken.objects.bulk_create(made, batch_size=2_000)
    assert tokens.purge_expired(now=now) == count
    assert RefreshToken.objects.count() == 1


def test_finding_a_token_is_one_index_lookup(ann):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT user_id FROM refresh_tokens WHERE token_hash = %s", [tokens.digest(ann.tokens.refresh)]
        )
        plan = " ".join(row[0] for row in cursor.fetchall())
    assert "refresh_tokens_hash_unique" in plan


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"revoked_reason": "reused"}, "refresh_tokens_revoked_for_a_reason"),
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, "refresh_tokens_revoked_for_a_reason"),
        ({"expires_at": datetime(2000, 1, 1, tzinfo=UTC)}, "refresh_tokens_expire_later"),
    ],
)
def test_the_database_refuses_inconsistent_tokens(ann, changes, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        RefreshToken.objects.update(**changes)


def test_the_database_keeps_one_row_a_token(ann):
    row = stored(ann.tokens.refresh)
    row.pk = tokens.new_id()
    with pytest.raises(IntegrityError, match="refresh_tokens_hash_unique"), transaction.atomic():
        row.save(force_insert=True)


def test_signing_in_by_email_uses_the_unique_index(ann):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "users_email_unique" in User.objects.with_email("ANN@example.com").explain()


def test_staff_sign_in_to_the_admin_by_email_in_any_case(db, client):
    User.objects.create_superuser("Boss@example.com", "boss", PASSWORD)
    assert client.login(username="bOSS@example.com", password=PASSWORD)
    sign_up("carl")
    page = client.get("/admin/accounts/user/")
    assert page.status_code == 200
    assert b"carl" in page.content
    carl = User.objects.get(username="carl")
    detail = client.get(f"/admin/accounts/user/{carl.pk}/change/")
    assert detail.status_code == 200
    assert b'name="is_active"' not in detail.content
    assert carl.password.encode() not in detail.content
    assert client.post(f"/admin/accounts/user/{carl.pk}/change/", {"name": "Other"}).status_code == 403


def test_staff_is_made_on_the_command_line(db):
    call_command("createsuperuser", "--noinput", email="boss@example.com", username="boss", verbosity=0)
    assert User.objects.get(username="boss").is_staff
