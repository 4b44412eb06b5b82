"""Staff see whether a user's address is verified and which mails were sent, and have one sent again."""

import pytest

from accounts.models import Mail, StaffAction
from staff.core.formatting import DASH
from tests.accounts.factories import sign_up, verify
from tests.mail_server import mail
from tests.staff.pages import WHY, act, page, text_of

__all__ = ["mail"]
pytestmark = pytest.mark.django_db


def test_a_users_page_says_what_was_mailed_and_never_the_link(desk, mail):
    ann = sign_up("ann").user
    token = mail.token_to("ann@example.com")
    response = desk.get(page(ann))
    (found,) = [block for block in response.context["detail"].blocks if getattr(block, "title", "") == "Mails"]
    ((_, kind, address, *_, failure),) = found.rows
    assert (kind, address, failure) == ("Verify email", "ann@example.com", DASH)
    assert "Not yet" in text_of(response)
    assert token not in response.content.decode()


def test_a_mail_is_sent_again_on_the_record(desk, mail):
    ann = sign_up("ann").user
    mail.send_queued()
    desk.post(act("resend-verification", ann), WHY)
    mail.send_queued()
    assert len(mail.to("ann@example.com")) == 2
    assert StaffAction.objects.get(action="resend_verification").target_id == str(ann.pk)


def test_who_is_verified_is_sent_none(desk):
    ann = verify(sign_up("ann").user)
    before = Mail.objects.count()
    desk.post(act("resend-verification", ann), WHY)
    assert (Mail.objects.count(), StaffAction.objects.filter(action="resend_verification").exists()) == (before, False)
