"""GET /notifications/me and POST /notifications/read."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.api.requests import encode_cursor
from notifications.models import Notification, NotificationReadMark
from notifications.services import purge_notifications
from tests.concurrently import all_at_once
from tests.notifications.factories import ME, READ, arrive, tell

pytestmark = pytest.mark.django_db


def test_nobody_reads_without_signing_in(api):
    assert api.get(ME).status_code == 401
    assert api.post(READ, {"all": True}, content_type="application/json").status_code == 401


def test_newest_first_page_by_page_without_gap_or_double_while_more_come(ann):
    tell(ann, 5)
    first = ann.page(limit=2)
    tell(ann, 1)
    second = ann.page(limit=2, cursor=first["nextCursor"])
    third = ann.page(limit=2, cursor=second["nextCursor"])
    amounts = [row["data"]["amount"] for page in (first, second, third) for row in page["notifications"]]
    assert amounts == [5, 4, 3, 2, 1]
    assert third["nextCursor"] is None
    assert (first["unreadCount"], third["unreadCount"]) == (5, 6)


def test_a_page_takes_one_statement_beside_the_user_s_own_however_many_there_are(ann):
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            ann.page(limit=100)
        return len(captured)

    few = statements()
    tell(ann, 30)
    assert statements() == few


def test_some_are_read_once(ann):
    tell(ann, 3)
    newest = ann.page()["notifications"][0]
    assert newest["readAt"] is None
    assert [ann.read(newest["id"]), ann.read(newest["id"], newest["id"])] == [2, 2]
    shown = ann.page()
    assert [row["readAt"] is not None for row in shown["notifications"]] == [True, False, False]
    assert [row["data"]["amount"] for row in ann.page(unread="true")["notifications"]] == [2, 1]


def test_all_are_read_in_one_row_and_each_keeps_when(ann):
    tell(ann, 3)
    assert [ann.read(), ann.read()] == [0, 0]
    before = [row["readAt"] for row in ann.page()["notifications"]]
    assert None not in before
    assert NotificationReadMark.objects.count() == 1
    assert not Notification.objects.exclude(read_at=None).exists()
    tell(ann, 1)
    assert ann.titles(unread="true") == ["Credits added"]
    assert ann.read() == 0
    assert [row["readAt"] for row in ann.page()["notifications"]][1:] == before


def test_others_are_left_alone(ann):
    bob = arrive("bob")
    tell(bob)
    theirs = bob.page()["notifications"][0]["id"]
    assert ann.read(theirs) == 0
    assert ann.page()["notifications"] == []
    assert bob.page()["unreadCount"] == 1


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"all": false}',
        '{"all": 1}',
        '{"all": true, "ids": []}',
        '{"ids": "x"}',
        '{"ids": ["x"]}',
        '{"ids": null}',
        json.dumps({"ids": [str(UUID(int=number)) for number in range(101)]}),
        "[]",
        "ids",
    ],
    ids=["nothing", "not-all", "one", "both", "text", "no-id", "null", "too-many", "a-list", "no-json"],
)
def test_a_bad_body_is_refused(ann, body):
    tell(ann)
    ann.send("post", READ, body, status=400)
    assert ann.page()["unreadCount"] == 1


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"unread": "perhaps"},
        {"cursor": "x"},
        {"cursor": encode_cursor(1)},
        {"cursor": encode_cursor(1, "x")},
        {"cursor": encode_cursor("1", "00000000-0000-0000-0000-000000000000")},
        {"cursor": encode_cursor(2**63, "00000000-0000-0000-0000-000000000000")},
    ],
    ids=["none", "too-many", "unread", "cursor", "half", "no-id", "text", "too-great"],
)
def test_a_bad_query_is_refused(ann, query):
    ann.send("get", ME, status=400, **query)


def test_what_is_older_than_90_days_is_purged_read_or_not(ann):
    now = datetime.now(UTC)
    tell(ann, 3, now=now)
    ann.read(ann.page()["notifications"][0]["id"])
    assert purge_notifications(now=now + timedelta(days=89)) == 0
    assert purge_notifications(now=now + timedelta(days=91)) == 3
    assert ann.page()["unreadCount"] == 0
    assert ann.page()["notifications"] == []


@pytest.mark.django_db(transaction=True)
def test_reading_writing_and_purging_at_once_keep_the_count(ann):
    tell(ann, 20)
    ids = [row["id"] for row in ann.page(limit=20)["notifications"]]
    later = datetime.now(UTC) + timedelta(days=91)
    works = [
        lambda: ann.read(*ids[:12]),
        lambda: ann.read(*ids[8:]),
        lambda: tell(ann, 5),
        ann.read,
        lambda: purge_notifications(now=later),
    ]
    turns = iter(works)

    def take_turn() -> None:
        next(turns)()

    all_at_once(take_turn, times=len(works))
    assert len(ann.page()["notifications"]) <= 5
