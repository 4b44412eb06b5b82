"""An account from signing up to leaving it: through HTTP, the scheduled tasks and a real mail server."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts import rules, tasks
from accounts.models import User
from ops import tasks as ops_tasks
from tests.accounts.factories import AUTH, PASSWORD, USERS, bearer, form, refusal, send, success
from tests.accounts.providers.browser import Browser, told
from tests.accounts.providers.conftest import simulator
from tests.betting.factories import Player, assert_audit_passes
from tests.economy.factories import booked, make_user
from tests.mail_server import mail
from tests.markets.factories import add_market

__all__ = ["mail", "simulator"]
pytestmark = pytest.mark.django_db(transaction=True)
NEW = "staple paper clip 9"


def test_from_signing_up_to_leaving_and_back(mail, simulator, monkeypatch):
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
    user, token = User.objects.get(username="ann"), third["accessToken"]

    sign_in_with_google_for_a_while(user, token)

    # Bet, and look at all that is kept.
    Player(user, token).bet(add_market(), 100)
    data = success(http.get(f"{USERS}/me/export", headers=bearer(token)))["data"]
    assert (data["user"]["email"], len(data["bets"]), len(data["ledgerEntries"])) == ("ann@new.example", 1, 2)
    assert sum(entry["amount"] for entry in data["ledgerEntries"]) == Decimal(900)

    # Leave: nobody sees the account, a bet stays open, and a mail names the date.
    refusal(send(http, f"{USERS}/me", {"password": PASSWORD}, method="DELETE", **bearer(token)), 400, "wrong_password")
    success(send(http, f"{USERS}/me", {"password": NEW}, method="DELETE", **bearer(token)))
    tasks.send_mails()
    refusal(http.get(f"{AUTH}/me", headers=bearer(token)), 401, "invalid_token")
    refusal(http.get(f"{USERS}/{user.pk}"), 404, "not_found")
    ops_tasks.erase_users()

    # Come back within the time: all of it is there.
    fourth = success(send(http, f"{AUTH}/login", {"email": "ann@new.example", "password": NEW}))
    assert (fourth["restored"], fourth["user"]["lockedCredits"], fourth["user"]["creditBalance"]) == (True, 100, 900)
    success(http.get(f"{USERS}/{user.pk}"))
    assert_audit_passes()

    # Leave for good: once the time is over the job erases what tells of the person, and the books are whole.
    monkeypatch.setattr(rules, "ACCOUNT_DELETION_PERIOD", timedelta())
    success(send(http, f"{USERS}/me", {"password": NEW}, method="DELETE", **bearer(fourth["accessToken"])))
    ops_tasks.erase_users()
    refusal(send(http, f"{AUTH}/login", {"email": "ann@new.example", "password": NEW}), 401, "invalid_credentials")
    assert User.objects.get(pk=user.pk).username.startswith("erased_")
    assert_audit_passes()

    assert mail.subjects_to("ann@example.com") == [
        "Confirm your e-mail address",
        "Choose a new password",
        "Your password was changed",
        "Your e-mail address is about to change",
        "Your e-mail address was changed",
    ]
    assert mail.subjects_to("ann@new.example") == [
        "Confirm your e-mail address",
        "The ways to sign in to your account changed",
        "Your account is about to be deleted",
    ]
    assert booked(referrer)["credit_balance"] == 200
    assert User.objects.count() == 2


def sign_in_with_google_for_a_while(user: User, token: str) -> None:
    """Link Google, sign in with it, and unlink it."""
    browser = Browser("google")
    success(browser.link(token, **{"as": "grace_h"}))
    assert told(browser.sign_in(**{"as": "grace_h"}))["userId"] == str(user.pk)
    success(browser.unlink(token))
    assert browser.connections(token)["connections"] == []
    browser.close()
