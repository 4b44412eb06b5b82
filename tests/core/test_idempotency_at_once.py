"""One key, one effect, one response: everything at once, over HTTP, and killed in between."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from django.db import connection

from accounts.models import User
from core.models import IdempotencyKey
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.core.conftest import assert_is_error
from tests.core.earning import EarnView, earn, earned, go_on, headers_of, inside
from tests.core.service_process import REPOSITORY
from tests.databases import with_database

FIFTY = 50


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


@pytest.mark.django_db(transaction=True)
def test_fifty_equal_requests_at_once_have_one_effect_and_fifty_equal_responses(ada):
    responses = all_at_once(lambda: earn(ada), FIFTY)
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum(response.get("Idempotency-Replayed") == "true" for response in responses) == FIFTY - 1
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_different_requests_with_one_key_have_one_effect(ada):
    amounts = iter(range(1, FIFTY + 1))
    responses = all_at_once(lambda: earn(ada, amount=str(next(amounts))), FIFTY)
    assert sorted(response.status_code for response in responses) == [201] + [409] * (FIFTY - 1)
    assert earned(ada) == 1


@pytest.mark.django_db(transaction=True)
def test_the_second_request_waits_for_the_first_and_gets_its_response(ada):
    responses = []
    first = threading.Thread(target=lambda: responses.append(in_thread(lambda: earn(ada, then="wait"))))
    first.start()
    assert inside.wait(10)
    second = threading.Thread(target=lambda: responses.append(in_thread(lambda: earn(ada, then="wait"))))
    second.start()
    wait_until(somebody_waits_for_a_lock)
    go_on.set()
    first.join(10)
    second.join(10)
    assert {response.status_code for response in responses} == {201}
    assert responses[0].content == responses[1].content
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
settings.ROOT_URLCONF = "tests.core.earning"
from accounts.models import User
from tests.core.earning import earn
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
    response = client.getresponse()
    content = response.read()
    client.close()
    return response.status, content, response.getheader("Idempotency-Replayed")


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        return cursor.fetchone()[0] > 0
