"""`accounts.registration`: what the database makes sure of whichever way users come, and referrals."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.errors import EmailTaken, InvalidReferralCode, UsernameTaken
from accounts.models import RefreshToken, User
from accounts.registration import register, user_registered
from core.db.sql import new_id
from tests.accounts.factories import everything, numbers, sign_up
from tests.concurrently import all_at_once
from tests.roles import as_owner


def registered(username="", **fields):
    name = username or f"person_{next(numbers)}"
    given = {"username": name, "email": f"{name}@example.com", "name": name, "password": None, "referral_code": None}
    return register(**(given | {"now": datetime.now(UTC)} | fields))


@pytest.fixture
def heard():
    """What `user_registered` said, as the row stood inside the transaction."""
    said = []

    def listen(*, user, referrer, now, **kwargs):
        said.append((user, referrer, now, connection.in_atomic_block, User.objects.filter(pk=user.pk).exists()))

    user_registered.connect(listen)
    yield said
    user_registered.disconnect(listen)


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_outside_a_transaction():
    with pytest.raises(transaction.TransactionManagementError):
        registered()
    assert everything() == ([], [])


@pytest.mark.django_db
def test_it_says_who_was_registered_inside_the_transaction(heard, now):
    referrer = registered()
    user = registered(referral_code=referrer.referral_code, now=now)
    assert heard[-1] == (user, referrer, now, True, True)
    assert heard[0][1] is None


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_undoes_the_user_and_the_referral():
    referrer = sign_up().user

    def fail(**kwargs):
        raise RuntimeError("no bonus")

    user_registered.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="no bonus"):
            sign_up(referral_code=referrer.referral_code)
    finally:
        user_registered.disconnect(fail)
    referrer.refresh_from_db()
    assert referrer.referral_count == 0
    assert User.objects.count() == RefreshToken.objects.count() == 1


@pytest.mark.django_db
def test_a_user_registered_without_a_password_has_no_usable_one():
    user = registered(password=None)
    assert not user.has_usable_password()


@pytest.mark.django_db
def test_after_a_refusal_the_transaction_goes_on(heard):
    registered("ann")
    with pytest.raises(UsernameTaken):
        registered("Ann", email="other@example.com")
    with pytest.raises(EmailTaken):
        registered("other", email="ANN@example.com")
    with pytest.raises(InvalidReferralCode):
        registered("other", referral_code="AAAAAAAA")
    registered("other")
    assert [said[0].username for said in heard] == ["ann", "other"]


@pytest.mark.django_db
def test_what_the_database_refuses_for_another_reason_is_not_hidden():
    with pytest.raises(IntegrityError, match="users_username_valid"), transaction.atomic():
        registered("not valid", email="fine@example.com")


@pytest.mark.django_db
def test_a_referral_code_that_is_taken_is_drawn_again():
    """The first draw is made to be another user's code, by a trigger that counts."""
    taken = registered().referral_code
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE draws")
        cursor.execute("GRANT ALL ON SEQUENCE draws TO PUBLIC")
        cursor.execute(
            f"CREATE FUNCTION first_draw_is_taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('draws') = 1 THEN NEW.referral_code := '{taken}'; END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER first_draw_is_taken BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION first_draw_is_taken()"
        )
    user = registered()
    user.refresh_from_db()
    assert user.referral_code != taken
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM draws")
        assert cursor.fetchone() == (2,)


@pytest.mark.django_db
def test_the_referral_of_a_suspended_user_is_recorded_too():
    referrer = registered()
    User.objects.filter(pk=referrer.pk).update(is_active=False)
    assert registered(referral_code=referrer.referral_code).referred_by == referrer


@pytest.mark.django_db
def test_nobody_refers_himself():
    own = new_id()
    with pytest.raises(IntegrityError, match="users_not_referred_by_self"), transaction.atomic():
        User.objects.create(pk=own, email="eve@example.com", username="eve", referred_by_id=own)


@pytest.mark.django_db
def test_who_referred_a_user_never_changes():
    user, other = registered(), sign_up("other").user
    with pytest.raises(IntegrityError, match="said at registration"), transaction.atomic():
        User.objects.filter(pk=user.pk).update(referred_by=other)


@pytest.mark.django_db(transaction=True)
def test_referrals_at_once_are_all_counted():
    referrer = sign_up().user
    all_at_once(lambda: sign_up(referral_code=referrer.referral_code), 8)
    referrer.refresh_from_db()
    assert referrer.referral_count == 8
    assert referrer.referred.count() == 8


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", ["username", "email"])
def test_one_of_many_signups_at_once_with_one_name_succeeds(same):
    def attempt():
        number = next(numbers)
        own = {"username": f"person_{number}", "email": f"person_{number}@example.com"}
        wanted = {
            "username": "Wanted" if number % 2 else "wanted",
            "email": "Wanted@example.com" if number % 2 else "wanted@example.com",
        }
        try:
            return sign_up(**(own | {same: wanted[same]}))
        except (UsernameTaken, EmailTaken) as exc:
            return exc.code

    results = all_at_once(attempt, 8)
    assert results.count(f"{same}_taken") == 7
    assert User.objects.count() == 1
