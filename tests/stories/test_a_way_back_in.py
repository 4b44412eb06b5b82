"""An account's mails from signing up to another address: through HTTP, the scheduled task and a real mail server."""

import pytest
from django.test import Client

from accounts import tasks
from accounts.models import User
from tests.accounts.factories import AUTH, PASSWORD, USERS, bearer, form, refusal, send, success
from tests.economy.factories import booked, make_user
from tests.mail_server import mail

__all__ = ["mail"]
pytestmark = pytest.mark.django_db(transaction=True)
NEW = "staple paper clip 9"


def test_from_signing_up_to_another_address(mail):
    http, referrer = Client(), make_user("referrer")

    # Sign up: usable at once, and worth nothing to the referrer until somebody reads the mail.
    first = success(send(http, f"{AUTH}/signup", form("ann", referralCode=referrer.referral_code)), 201)
    assert (first["user"]["emailVerified"], booked(referrer)["credit_balance"]) == (False, 0)
    success(send(http, f"{AUTH}/email/verify", {"token": mail.token_to("ann@example.com")}))
    assert booked(referrer)["credit_balance"] == 200

    # Forget the password: the mail server is away at first, and what nobody has is asked for as well.
    mail.stop()
    for email in ("ann@example.com", "nobody@example.com"):
        success(send(http, f"{AUTH}/password/forgot", {"email": email}))
    tasks.send_mails()
    mail.start()
    mail.time_passes()
    tasks.send_mails()
    assert mail.subjects_to("nobody@example.com") == []
    token = mail.token_to("ann@example.com")
    second = success(send(http, f"{AUTH}/password/reset", {"token": token, "password": NEW}))
    refusal(http.get(f"{AUTH}/me", headers=bearer(first["accessToken"])), 401, "invalid_token")
    refusal(send(http, f"{AUTH}/login", {"email": "ann@example.com", "password": PASSWORD}), 401, "invalid_credentials")

    # Another address: the old one signs in until the new one is verified.
    success(send(http, f"{USERS}/me", {"email": "ann@new.example"}, method="PATCH", **bearer(second["accessToken"])))
    success(send(http, f"{AUTH}/login", {"email": "ann@example.com", "password": NEW}))
    success(send(http, f"{AUTH}/email/verify", {"token": mail.token_to("ann@new.example")}))
    third = success(send(http, f"{AUTH}/login", {"email": "ann@new.example", "password": NEW}))
    assert (third["user"]["email"], third["user"]["pendingEmail"]) == ("ann@new.example", None)

    tasks.send_mails()
    assert mail.subjects_to("ann@example.com") == [
        "Confirm your e-mail address",
        "Choose a new password",
        "Your password was changed",
        "Your e-mail address is about to change",
        "Your e-mail address was changed",
    ]
    assert booked(referrer)["credit_balance"] == 200
    assert User.objects.count() == 2
