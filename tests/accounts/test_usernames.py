"""Which usernames nobody gets, and how long one that was given up is kept from others."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts import rules, services, tasks
from accounts.errors import UsernameReserved, UsernameTaken
from accounts.models import FormerUsername, User
from tests.accounts.factories import AUTH, USERS, bearer, everything, form, refusal, send, sign_up, success
from tests.concurrently import all_at_once

pytestmark = pytest.mark.django_db
ME = f"{USERS}/me"
LOOK_ALIKES = [
    *("admin", "ADMIN", "4dmin", "adm1n", "adrnin", "_admin_", "ad__min", "admln", "supp0rt", "SuPPort", "staff"),
    *("5t4ff", "thisthat", "th1s_7hat", "this_that", "system", "moderator", "official", "he1p", "r00t", "api", "nuII"),
]
A_MONTH = timedelta(days=30)


@pytest.fixture
def ann():
    return sign_up("ann")


def rename(http, who, username):
    return send(http, ME, {"username": username}, method="PATCH", **bearer(who))


def become(who, username, *, now):
    return services.update_profile(user_id=who.user.pk, changes={"username": username}, now=now)


class TestReserved:
    @pytest.mark.parametrize("username", LOOK_ALIKES)
    def test_nobody_signs_up_as_the_service(self, username):
        before = everything()
        with pytest.raises(UsernameReserved):
            sign_up(username)
        assert everything() == before

    def test_it_is_told_in_the_response(self, stranger):
        refusal(send(stranger, f"{AUTH}/signup", form("Supp0rt")), 400, "username_reserved")

    @pytest.mark.parametrize("username", ["admin", "_4dm1n_"])
    def test_nobody_renames_themselves_to_it(self, stranger, ann, username):
        before = User.objects.values().get(pk=ann.user.pk)
        refusal(rename(stranger, ann, username), 400, "username_reserved")
        after = User.objects.values().get(pk=ann.user.pk)
        assert {**after, "last_active_at": None} == {**before, "last_active_at": None}
        assert not FormerUsername.objects.exists()

    @pytest.mark.parametrize("username", ["administrate", "badmin", "supporter", "roots", "maria", "arn0ld"])
    def test_a_word_that_only_has_one_in_it_is_free(self, username):
        assert sign_up(username).user.username == username

    def test_who_has_one_already_keeps_it(self, stranger, ann):
        User.objects.filter(pk=ann.user.pk).update(username="support")
        success(send(stranger, ME, {"username": "Support", "bio": "Me."}, method="PATCH", **bearer(ann)))
        assert User.objects.get(pk=ann.user.pk).username == "Support"

    def test_words_can_be_refused_wherever_they_are(self, monkeypatch):
        sign_up("a_darn_fool")
        monkeypatch.setattr(rules, "REFUSED_USERNAME_WORDS", ["darn"])
        with pytest.raises(UsernameReserved):
            sign_up("d4rn_it")


class TestHeld:
    def test_nobody_else_gets_it_for_thirty_days(self, ann, now):
        bob = sign_up("bob")
        become(ann, "anna", now=now)
        for moment in (now, now + A_MONTH - timedelta(seconds=1)):
            before = everything()
            with pytest.raises(UsernameTaken):
                sign_up("ANN", email="another@example.com", now=moment)
            with pytest.raises(UsernameTaken):
                become(bob, "Ann", now=moment)
            assert everything() == before
        assert become(bob, "ann", now=now + A_MONTH).username == "ann"
        assert not FormerUsername.objects.filter(username="ann").exists()

    def test_it_is_told_as_any_name_that_is_taken(self, stranger, ann, now):
        success(rename(stranger, ann, "anna"))
        body = refusal(rename(stranger, sign_up("bob"), "ann"), 409, "username_taken")
        assert body["error"] == "Username already taken"

    def test_who_gave_it_up_may_take_it_back(self, stranger, ann):
        for username in ("anna", "Ann", "anna"):
            success(rename(stranger, ann, username))
        assert [former.username for former in FormerUsername.objects.all()] == ["ann"]

    def test_another_case_gives_nothing_up(self, stranger, ann):
        success(rename(stranger, ann, "ANN"))
        assert not FormerUsername.objects.exists()

    def test_what_is_not_held_any_more_is_deleted_by_a_job(self, ann):
        become(ann, "anna", now=datetime.now(UTC) - A_MONTH)
        become(ann, "annie", now=datetime.now(UTC))
        tasks.purge_refresh_tokens()
        assert [former.username for former in FormerUsername.objects.all()] == ["anna"]

    @pytest.mark.django_db(transaction=True)
    def test_of_those_who_want_it_at_the_moment_it_is_given_up_nobody_gets_it(self, now):
        for round_number in range(3):
            ann = sign_up(f"ann_{round_number}")
            others = [sign_up() for _ in range(3)]
            moves = iter([(ann, f"anna_{round_number}"), *((other, f"ann_{round_number}") for other in others)])

            def move(moves=moves):
                try:
                    become(*next(moves), now=now)
                except UsernameTaken:
                    return False
                return True

            assert sum(all_at_once(move, 4)) == 1
            assert User.objects.get(pk=ann.user.pk).username == f"anna_{round_number}"
