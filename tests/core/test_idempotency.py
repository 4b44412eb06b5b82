"""One key, one effect, one response: with a view that moves credits."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from core import tasks
from core.models import IdempotencyKey, JobRun
from tests.core.conftest import assert_is_error
from tests.core.earning import EarnView, earn, earned, go_on, inside


@pytest.fixture
def earning(settings):
    """The paths of `earning.py`, with the service's own behind them."""
    settings.ROOT_URLCONF = "tests.core.earning"
    inside.clear()
    go_on.clear()
    yield
    EarnView.upstream_away = False


@pytest.fixture
def ada(db, earning) -> User:
    return User.objects.create_user(email="ada@example.com", username="ada")


def test_the_same_request_gets_the_first_response_again_byte_for_byte(ada):
    first, again = earn(ada), earn(ada)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert earned(ada) == 1


def test_the_first_response_is_given_even_after_the_balance_moved_on(ada):
    first = earn(ada)
    earn(ada, "second")
    assert earn(ada).content == first.content


def test_a_response_that_was_kept_before_they_were_compressed_is_given_as_it_was(ada):
    first = earn(ada)
    IdempotencyKey.objects.update(body=first.content)
    assert earn(ada).content == first.content


def test_without_a_key_every_request_has_its_effect(ada):
    for _ in range(2):
        response = earn(ada, None)
        assert response.status_code == 201
        assert "Idempotency-Replayed" not in response
    assert earned(ada) == 2
    assert not IdempotencyKey.objects.exists()


def test_another_body_under_the_same_key_is_refused(ada):
    earn(ada)
    assert_is_error(earn(ada, amount="11"), 409, "idempotency_key_reused")
    assert earned(ada) == 1


def test_another_path_under_the_same_key_is_refused(ada):
    earn(ada)
    assert_is_error(earn(ada, where="earn-otherwise"), 409, "idempotency_key_reused")
    assert earned(ada) == 1


def test_a_slash_at_the_end_makes_no_other_request(ada):
    assert earn(ada).content == earn(ada, where="earn/").content
    assert earned(ada) == 1


def test_keys_of_two_users_are_two_keys(ada):
    bob = User.objects.create_user(email="bob@example.com", username="bob")
    assert earn(ada).content != earn(bob).content
    assert (earned(ada), earned(bob)) == (1, 1)


def test_a_request_that_was_refused_may_be_corrected_under_its_key(ada):
    assert_is_error(earn(ada, amount="-1"), 400, "validation_error")
    assert earn(ada, then="refuse").status_code == 400
    assert earned(ada) == 0
    assert not IdempotencyKey.objects.exists()
    assert earn(ada).status_code == 201
    assert earned(ada) == 1


def test_a_failure_after_the_effect_leaves_neither_effect_nor_key(ada):
    assert_is_error(earn(ada, then="raise"), 500, "internal_error")
    assert earned(ada) == 0
    assert not IdempotencyKey.objects.exists()


def test_the_first_response_is_given_when_the_upstream_is_away_by_now(ada):
    first = earn(ada)
    EarnView.upstream_away = True
    assert earn(ada).content == first.content
    assert_is_error(earn(ada, amount="11"), 409, "idempotency_key_reused")
    assert_is_error(earn(ada, "unseen"), 500, "internal_error")


def test_nobody_gets_the_response_to_another_users_key_when_the_upstream_is_away(ada):
    bob = User.objects.create_user(email="bob@example.com", username="bob")
    earn(ada)
    EarnView.upstream_away = True
    assert_is_error(earn(bob), 500, "internal_error")
    assert_is_error(earn(bob, amount="11"), 500, "internal_error")


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "tab\tbed", "line\nbreak", "nul\x00", "é", "\x7f"])
def test_an_invalid_key_is_refused(ada, key):
    body = assert_is_error(earn(ada, key), 400, "validation_error")
    assert body["details"][0]["field"] == "Idempotency-Key"
    assert earned(ada) == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, "with spaces, and {punctuation}"])
def test_any_printable_key_is_taken(ada, key):
    assert earn(ada, key).content == earn(ada, key).content
    assert earned(ada) == 1


def test_nobody_needs_no_key(db, earning):
    response = Client().post("/tests/earn", {}, headers={"Idempotency-Key": "first"})
    assert_is_error(response, 401, "not_authenticated")


def test_a_key_is_free_again_after_a_day(ada):
    first = earn(ada)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert earn(ada).content == first.content
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, minutes=1))
    second = earn(ada, amount="11")
    assert second.status_code == 201
    assert earn(ada, amount="11").content == second.content
    assert earned(ada) == 2


@pytest.mark.django_db(transaction=True)
def test_the_nightly_task_deletes_expired_keys_alone(ada):
    for key in ("old", "older", "young"):
        earn(ada, key)
    old = IdempotencyKey.objects.filter(key__startswith="old")
    old.update(created_at=timezone.now() - timedelta(hours=25))
    tasks.purge_idempotency_keys()
    assert [kept.key for kept in IdempotencyKey.objects.all()] == ["young"]
    assert JobRun.objects.get(job="common.purge_idempotency_keys").result == {"deleted": 2}


def test_a_key_costs_two_statements(ada, django_assert_num_queries):
    earn(ada, None)
    with django_assert_num_queries(1 + 1 + 2 + 1):  # the user; the limit of waits; a transaction in a test; the effect
        earn(ada, None)
    with django_assert_num_queries(1 + 1 + 2 + 1 + 1):  # the limit comes with the claim; and the response is kept
        earn(ada)
