"""Sending what is queued: once, later if the server is away, and without a secret anywhere but in the mail."""

import logging
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts import leaving, rules
from accounts.mail import queue
from accounts.models import Mail
from accounts.tasks import send_mail
from tests.accounts.factories import USERS, bearer, send, sign_up, sign_up_verified, success
from tests.accounts.mail.conftest import request_reset
from tests.concurrently import all_at_once
from tests.mail_server import LINK, text_of

pytestmark = pytest.mark.django_db
STATES = ("kind", "status", "attempts")


def states():
    return list(Mail.objects.order_by("created_at", "pk").values_list(*STATES))


def test_a_mail_is_text_and_html_with_one_link_and_says_who_it_is_from(mail, ann, settings):
    mail.send_queued()
    (message,) = mail.received
    assert (message["From"], message["To"]) == (settings.DEFAULT_FROM_EMAIL, "ann@example.com")
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = text_of(message), text_of(message, "html")
    (link,) = LINK.findall(text)
    assert link.startswith(f"{settings.FRONTEND_URL}/auth/verify?token=")
    assert "Hello ann," in text
    assert "3 days" in text
    assert f'href="{link}"' in html
    assert 'lang="en"' in html
    assert not any(remote in html for remote in ("<img", "<script", "<link", "url("))


@pytest.mark.parametrize("kind", Mail.Kind.values)
def test_every_kind_has_both_forms_and_its_subject(mail, kind):
    ann = sign_up_verified("ann").user
    Mail.objects.all().delete()
    if kind == Mail.Kind.VERIFY_EMAIL:
        ann.pending_email = ann.email
        ann.save(update_fields=["pending_email"])
    with transaction.atomic():
        if kind == Mail.Kind.DELETION_REQUESTED:
            leaving.mark_leaving(ann, now=ann.created_at)
        queue.queue_mail(Mail.Kind(kind), address=ann.email, user=ann, now=ann.created_at)
    mail.send_queued()
    (message,) = mail.received
    for body in (text_of(message), text_of(message, "html")):
        assert "{" not in body.partition("<body")[2] if "<body" in body else "{" not in body
        assert len(body) > 100
    assert states() == [(kind, "sent", 1)]


def test_a_mail_is_sent_once_by_however_many_tasks(mail, ann):
    (row,) = Mail.objects.all()
    for _ in range(3):
        send_mail(str(row.pk))
    mail.send_queued()
    assert len(mail.received) == 1
    assert states() == [("verify_email", "sent", 1)]


def test_what_became_pointless_meanwhile_is_not_sent(mail, stranger):
    sign_up_verified("ann")
    mail.send_queued()
    assert mail.received == []
    assert states() == [("verify_email", "dropped", 1)]


class TestTrouble:
    def test_while_the_server_is_away_mails_wait_and_are_sent_once_it_is_back(self, mail, ann, now):
        sign_up("bob")
        mail.stop()
        assert mail.send_queued() == {"sent": 0, "failed": 0, "deleted": 0}
        # The second isn't tried: the server is known to be away.
        assert [attempts for _, _, attempts in states()] == [1, 0]
        row = Mail.objects.filter(attempts=1).get()
        assert row.error == "ConnectionRefusedError"
        assert now < row.next_attempt_at <= now + 2 * rules.MAIL_RETRY_FIRST
        mail.start()
        mail.time_passes()
        assert mail.send_queued()["sent"] == 2
        assert sorted(message["To"] for message in mail.received) == ["ann@example.com", "bob@example.com"]

    def test_a_refusal_that_passes_is_tried_again_ever_later_and_holds_nobody_up(self, mail, ann):
        sign_up("bob")
        mail.replies["ann@example.com"] = "451 try later"
        assert mail.send_queued() == {"sent": 1, "failed": 0, "deleted": 0}
        row = Mail.objects.get(status="queued")
        assert row.error == "SMTPRecipientsRefused 451"
        waits = [queue.wait_after(attempt) for attempt in (1, 2, 3, 50)]
        assert waits == [rules.MAIL_RETRY_FIRST * factor for factor in (1, 2, 4)] + [rules.MAIL_RETRY_MAX]
        del mail.replies["ann@example.com"]
        mail.time_passes()
        assert mail.send_queued()["sent"] == 1

    def test_a_refusal_for_good_is_the_end(self, mail, ann):
        mail.replies["ann@example.com"] = "550 no such user"
        assert mail.send_queued() == {"sent": 0, "failed": 1, "deleted": 0}
        mail.time_passes()
        assert mail.send_queued()["failed"] == 0
        assert states() == [("verify_email", "failed", 1)]

    def test_after_a_day_it_is_given_up(self, mail, ann, now):
        Mail.objects.update(created_at=now - rules.MAIL_GIVEN_UP_AFTER - timedelta(seconds=1))
        mail.replies["ann@example.com"] = "451 try later"
        assert mail.send_queued()["failed"] == 1

    def test_who_dies_while_sending_leaves_it_to_another_later(self, mail, ann, now):
        (row,) = Mail.objects.all()
        assert queue.claim(row.pk, now=now + timedelta(seconds=1)) is not None
        assert mail.send_queued()["sent"] == 0
        mail.time_passes()
        assert mail.send_queued()["sent"] == 1

    def test_no_token_is_in_the_log_or_in_the_table(self, mail, ann, stranger, caplog):
        caplog.set_level(logging.DEBUG)
        mail.replies["ann@example.com"] = "451 try later"
        mail.send_queued()
        del mail.replies["ann@example.com"]
        mail.time_passes()
        success(request_reset(stranger))
        token = mail.token_to("ann@example.com")
        assert token not in caplog.text
        assert token not in str(list(Mail.objects.values()))

    def test_records_are_deleted_in_the_end(self, mail, ann, now):
        mail.send_queued()
        Mail.objects.update(created_at=now - rules.MAILS_KEPT_FOR)
        assert mail.send_queued()["deleted"] == 1


@pytest.mark.django_db(transaction=True)
def test_of_workers_at_once_one_sends_it(mail):
    sign_up("ann")
    (row,) = Mail.objects.all()
    all_at_once(lambda: send_mail(str(row.pk)), 5)
    assert len(mail.received) == 1


def test_the_database_keeps_one_waiting_mail_for_a_reason_and_no_impossible_state(ann, now):
    terms = {"kind": "verify_email", "user": ann.user, "created_at": now}
    with pytest.raises(IntegrityError, match="mails_queued_once"), transaction.atomic():
        Mail.objects.create(**terms, address="ANN@example.com", next_attempt_at=now)
    with pytest.raises(IntegrityError, match="mails_state_possible"), transaction.atomic():
        Mail.objects.create(**terms, address="x@example.com", status="sent")


def test_an_unverified_address_is_told_of_nothing_else(mail, ann, stranger):
    success(send(stranger, f"{USERS}/me", {"email": "other@example.com"}, method="PATCH", **bearer(ann)))
    mail.send_queued()
    assert mail.subjects_to("ann@example.com") == []
    assert mail.subjects_to("other@example.com") == ["Confirm your e-mail address"]
