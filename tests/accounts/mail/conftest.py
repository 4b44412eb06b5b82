"""What the tests of mails share: a mail server, and `ann`, whose address isn't verified yet."""

import pytest

from tests.accounts.factories import AUTH, USERS, bearer, send, sign_up
from tests.mail_server import mail

__all__ = ["mail"]
NEW = "staple paper clip 9"


@pytest.fixture
def ann():
    return sign_up("ann")


def request_reset(http, email="ann@example.com"):
    return send(http, f"{AUTH}/password/forgot", {"email": email})


def reset(http, token, password=NEW):
    return send(http, f"{AUTH}/password/reset", {"token": token, "password": password})


def verify(http, token):
    return send(http, f"{AUTH}/email/verify", {"token": token})


def log_in(http, password, email="ann@example.com"):
    return send(http, f"{AUTH}/login", {"email": email, "password": password})


def me(http, who):
    return http.get(f"{AUTH}/me", headers=bearer(who))


def change_address(http, who, email):
    return send(http, f"{USERS}/me", {"email": email}, method="PATCH", **bearer(who))
