"""Announcements of staff: written in the admin, merged into what users read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.staff import COMMAND_LINE
from notifications.announcements import announce
from notifications.models import Announcement, AnnouncementRead, Segment
from notifications.services import purge_notifications
from tests.economy.factories import make_user, staff_actions
from tests.notifications.factories import Reader, arrive, tell

pytestmark = pytest.mark.django_db
TABLE = reverse("admin:notifications_announcement_changelist")
FORM = {"segment": "everybody", "title": "Closed on Sunday", "body": "For an hour.", "reason": "An upgrade."}


@pytest.fixture
def mary(db) -> Client:
    client = Client()
    client.force_login(make_user("mary", is_superuser=True))
    return client


def say(title: str = "Hello", segment: Segment = Segment.EVERYBODY, *, now: datetime | None = None) -> Announcement:
    given = {"body": "To all of you.", "by": COMMAND_LINE, "reason": "A test needs it."}
    return announce(segment=segment, title=title, now=now or datetime.now(UTC), **given)


def test_staff_announce_and_withdraw_each_on_record(mary, ann):
    assert mary.post(f"{TABLE}new/", FORM).status_code == 302
    made = Announcement.objects.get()
    (shown,) = ann.page()["notifications"]
    assert (shown["type"], shown["title"], shown["body"]) == ("announcement", "Closed on Sunday", "For an hour.")
    assert mary.get(TABLE).status_code == 200
    page = reverse("admin:notifications_announcement_change", args=[made.pk])
    assert b"Closed on Sunday" in mary.get(page).content
    withdraw = reverse("admin:notifications_announcement_act", args=[made.pk, "withdraw"])
    assert mary.get(withdraw).status_code == 200
    assert mary.post(withdraw, {"reason": "Not needed."}).status_code == 302
    assert ann.page()["unreadCount"] == 0
    assert mary.post(withdraw, {"reason": "Again."}).status_code == 400
    assert [row.action for row in staff_actions().order_by("id")] == ["announce", "withdraw_announcement"]


@pytest.mark.parametrize("missing", ["title", "body", "reason", "segment"])
def test_an_incomplete_announcement_is_refused(mary, missing):
    assert mary.post(f"{TABLE}new/", {**FORM, missing: " "}).status_code == 400
    assert not Announcement.objects.exists()


def test_only_staff_who_may_announce(ann):
    support = make_user("sam", is_staff=True)
    client = Client()
    client.force_login(support)
    assert client.post(f"{TABLE}new/", FORM).status_code == 403
    assert not Announcement.objects.exists()


def test_it_is_merged_by_time_and_pages_have_no_gap_or_double(ann):
    tell(ann, 2)
    say("First")
    tell(ann, 1)
    say("Second")
    pages, cursor = [], ""
    while cursor is not None:
        page = ann.page(limit=2, cursor=cursor)
        pages += [row["title"] for row in page["notifications"]]
        cursor = page["nextCursor"]
    assert pages == ["Second", "Credits added", "First", "Credits added", "Credits added"]
    assert ann.page()["unreadCount"] == 5


def test_each_reader_reads_it_for_themselves(ann):
    bob, made = arrive("bob"), say()
    assert not AnnouncementRead.objects.exists()
    assert [ann.read(str(made.pk)), ann.read(str(made.pk)), ann.read()] == [0, 0, 0]
    assert ann.titles(unread="true") == []
    assert ann.page()["notifications"][0]["readAt"] is not None
    assert bob.titles(unread="true") == ["Hello"]
    assert bob.read() == 0
    assert AnnouncementRead.objects.count() == 2


def test_who_signs_up_later_does_not_see_it(ann):
    say(now=ann.user.created_at - timedelta(seconds=1))
    assert ann.titles() == []


def test_a_segment_is_judged_by_the_user_s_row(ann):
    old = arrive("old", created_at=datetime.now(UTC) - timedelta(days=31))
    User.objects.filter(username="old").update(total_volume=10)
    for segment in Segment:
        say(segment, segment)
    assert sorted(ann.titles()) == ["everybody", "never_bet", "newcomers"]
    assert sorted(old.titles()) == ["bettors", "everybody"]
    assert (ann.page()["unreadCount"], old.page()["unreadCount"]) == (3, 2)
    assert [Reader(User.objects.get(username="old")).read(), ann.read()] == [0, 0]


def test_it_is_purged_with_who_read_it(ann):
    say()
    ann.read()
    purge_notifications(now=datetime.now(UTC) + timedelta(days=91))
    assert not Announcement.objects.exists()
    assert not AnnouncementRead.objects.exists()
