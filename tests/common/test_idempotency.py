"""One key, one effect, one answer: over HTTP, with a view that moves credits."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from economy.ledger import Transfer, post
from economy.models import CreditTransaction, TransactionType
from tests.common.asking import REPOSITORY
from tests.common.conftest import assert_is_error
from tests.environment import with_database
from tests.markets.at_once import all_at_once, in_thread, wait_until
from thisthat.common import tasks
from thisthat.common.idempotency import Act, idempotent
from thisthat.common.json import dumps
from thisthat.common.models import IdempotencyKey, JobRun

FIFTY = 50
inside = threading.Event()
go_on = threading.Event()


class Given(serializers.Serializer):
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, min_value=Decimal("0.01"))
    then = serializers.CharField(default="", allow_blank=True)


class UpstreamAway(Exception):
    pass


def what_follows(then: str) -> int:
    """What may happen between an effect and its answer; returns the answer's status."""
    match then:
        case "raise":
            raise RuntimeError("after the effect")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            inside.set()
            assert go_on.wait(20)
        case "refuse":
            return 400
        case "deadlock":
            if not inside.is_set():
                inside.set()
                with connection.cursor() as cursor:
                    cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
    return 201


class EarnView(APIView):
    """Gives the user credits."""

    @idempotent
    def post(self, request: Request) -> Act:
        given = Given(data=request.data)
        given.is_valid(raise_exception=True)
        if self.upstream_away:
            raise UpstreamAway
        then = given.validated_data["then"]
        transfer = Transfer(
            user_id=request.user.pk,
            amount=given.validated_data["amount"],
            transaction_type=TransactionType.ADMIN_ADJUSTMENT,
            reference_id=uuid4(),
        )

        def act() -> HttpResponse:
            with transaction.atomic(savepoint=False):
                posted = post(transfer, now=timezone.now())
            body = {"success": True, "newBalance": posted.balance_after, "id": posted.id}
            return HttpResponse(dumps(body), status=what_follows(then), content_type="application/json")

        return act

    upstream_away = False


urlpatterns = [
    path("tests/earn", EarnView.as_view()),
    path("tests/earn-otherwise", EarnView.as_view()),
    path("", include("thisthat.urls")),
]


@pytest.fixture(autouse=True)
def views_of_this_file(settings):
    settings.ROOT_URLCONF = __name__
    inside.clear()
    go_on.clear()
    yield
    EarnView.upstream_away = False


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user(email="ada@example.com", username="ada")


def headers_of(user: User, key: str | None = "first") -> dict[str, str]:
    token = {"Authorization": f"Bearer {AccessToken.for_user(user)}"}
    return token if key is None else {**token, "Idempotency-Key": key}


def earn(user: User, key: str | None = "first", *, amount: str = "10.50", then: str = "", where: str = "earn"):
    return Client(raise_request_exception=False).post(
        f"/tests/{where}",
        json.dumps({"amount": amount, "then": then}),
        content_type="application/json",
        headers=headers_of(user, key),
    )


def earned(user: User) -> int:
    return CreditTransaction.objects.filter(user=user).count()


def test_the_same_request_gets_the_first_answer_again_byte_for_byte(ada):
    first, again = earn(ada), earn(ada)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert earned(ada) == 1


def test_the_first_answer_is_given_even_after_the_balance_moved_on(ada):
    first = earn(ada)
    earn(ada, "second")
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


def test_the_first_answer_is_given_when_the_upstream_is_away_by_now(ada):
    first = earn(ada)
    EarnView.upstream_away = True
    assert earn(ada).content == first.content
    assert_is_error(earn(ada, amount="11"), 409, "idempotency_key_reused")
    assert_is_error(earn(ada, "unseen"), 500, "internal_error")


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "tab\tbed", "line\nbreak", "nul\x00", "é", "\x7f"])
def test_what_is_no_key_is_refused(ada, key):
    body = assert_is_error(earn(ada, key), 400, "validation_error")
    assert body["details"][0]["field"] == "Idempotency-Key"
    assert earned(ada) == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, "with spaces, and {punctuation}"])
def test_any_printable_key_is_taken(ada, key):
    assert earn(ada, key).content == earn(ada, key).content
    assert earned(ada) == 1


def test_nobody_needs_no_key(db):
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
    assert JobRun.objects.get(job="purge_idempotency_keys").result == {"deleted": 2}


def test_a_key_costs_two_statements(ada, django_assert_num_queries):
    earn(ada, None)
    with django_assert_num_queries(1 + 1 + 2 + 1):  # the user; the limit of waits; a transaction in a test; the effect
        earn(ada, None)
    with django_assert_num_queries(1 + 1 + 2 + 1 + 1):  # the limit comes with the claim; and the answer is kept
        earn(ada)


@pytest.mark.django_db(transaction=True)
def test_fifty_equal_requests_at_once_have_one_effect_and_fifty_equal_answers(ada):
    answers = all_at_once(lambda: earn(ada), FIFTY)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.get("Idempotency-Replayed") == "true" for answer in answers) == FIFTY - 1
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_different_requests_with_one_key_have_one_effect(ada):
    amounts = iter(range(1, FIFTY + 1))
    answers = all_at_once(lambda: earn(ada, amount=str(next(amounts))), FIFTY)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (FIFTY - 1)
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_the_second_request_waits_for_the_first_and_gets_its_answer(ada):
    answers = []
    first = threading.Thread(target=lambda: answers.append(in_thread(lambda: earn(ada, then="wait"))))
    first.start()
    assert inside.wait(10)
    second = threading.Thread(target=lambda: answers.append(in_thread(lambda: earn(ada, then="wait"))))
    second.start()
    wait_until(somebody_waits_for_a_lock)
    go_on.set()
    first.join(10)
    second.join(10)
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].content == answers[1].content
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_a_first_request_that_takes_too_long_is_said_to_be_in_progress(ada):
    first = threading.Thread(target=lambda: in_thread(lambda: earn(ada, then="wait")))
    first.start()
    assert inside.wait(10)
    second = earn(ada, then="wait")
    assert_is_error(second, 409, "idempotency_in_progress")
    assert second["Retry-After"] == "1"
    go_on.set()
    first.join(10)
    assert earn(ada, then="wait").status_code == 201
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again_and_the_key_kept_once(ada):
    assert earn(ada, then="deadlock").status_code == 201
    assert earn(ada, then="deadlock")["Idempotency-Replayed"] == "true"
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_between_effect_and_commit_leaves_neither(ada):
    url = with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
    ended = subprocess.run(
        [sys.executable, "-c", DIES.format(key="fatal", user=str(ada.pk))],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    wait_until(lambda: not IdempotencyKey.objects.exists())
    assert earned(ada) == 0
    assert earn(ada, "fatal").status_code == 201


DIES = """
import django
django.setup()
from django.conf import settings
settings.ROOT_URLCONF = "tests.common.test_idempotency"
from accounts.models import User
from tests.common.test_idempotency import earn
earn(User.objects.get(pk="{user}"), "{key}", then="die")
print("survived")
"""


@pytest.mark.django_db(transaction=True)
def test_the_header_works_over_http_as_a_client_sends_it(live_server, ada):
    first, again = (ask(live_server, ada, name) for name in ("Idempotency-Key", "idempotency-key"))
    assert first[0] == again[0] == 201
    assert first[1] == again[1]
    assert first[2] is None
    assert again[2] == "true"
    assert earned(ada) == 1


def ask(server, user: User, header: str) -> tuple[int, bytes, str | None]:
    client = http.client.HTTPConnection(server.thread.host, server.thread.port, timeout=20)
    body = json.dumps({"amount": "10.50"})
    sent = {**headers_of(user, None), header: "over-http", "Content-Type": "application/json"}
    client.request("POST", "/tests/earn", body, sent)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    return answer.status, content, answer.getheader("Idempotency-Replayed")


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        return cursor.fetchone()[0] > 0
