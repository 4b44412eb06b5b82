"""Signing in to the admin: as seldom as at the API, with an e-mail in any case, and without telling who there is."""

import json
import subprocess
import sys

import pytest
from django.test import Client

from accounts.models import RefreshToken, User
from tests.accounts.factories import AUTH, bearer, send, sign_up
from tests.accounts.hashers import runs
from tests.staff.pages import WHY, act, text_of

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"
PASSWORD = "a-long-enough-pass"


@pytest.fixture
def rates(settings):
    def become(**changed):
        given = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": given | changed}

    return become


def try_(email="boss@staff.example", word="wrong", *, address="203.0.113.1", browser=None):
    return (browser or Client()).post(LOGIN, {"username": email, "password": word}, REMOTE_ADDR=address)


def said(response):
    assert response.status_code == 200
    return response.context["form"].non_field_errors()


@pytest.mark.parametrize("email", ["boss@staff.example", "BOSS@Staff.Example", " boss@staff.example "])
def test_an_email_in_any_case_signs_in(boss, email):
    browser = Client()
    assert try_(email, PASSWORD, browser=browser).status_code == 302
    assert browser.get("/admin/").status_code == 200


def test_it_says_the_same_whoever_cannot_come_in(boss, member, desk):
    sign_up("ann", password=PASSWORD)
    gone = member("gone", role="support")
    desk.post(act("suspend", gone), WHY)
    responses = [
        said(try_("boss@staff.example")),
        said(try_("nobody@staff.example", PASSWORD)),
        said(try_("ann@example.com", PASSWORD)),
        said(try_("gone@staff.example", PASSWORD)),
        said(try_("boss", PASSWORD)),
    ]
    assert len({str(response) for response in responses}) == 1
    assert len(responses[0]) == 1


def test_an_unknown_email_takes_as_long_as_a_wrong_password(boss, settings):
    settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingHasher"]
    boss.set_password(PASSWORD)
    boss.save()
    taken = []
    for email in ("boss@staff.example", "nobody@staff.example"):
        runs.clear()
        try_(email)
        taken.append(len(runs))
    assert taken[0] == taken[1] == 1


def test_one_address_tries_so_often_and_no_more(boss, rates):
    rates(login="2/min")
    for email in ("a@staff.example", "b@staff.example"):
        assert "Too many attempts" not in str(said(try_(email)))
    assert "Too many attempts. Try again in" in str(said(try_("boss@staff.example", PASSWORD)))
    assert try_("boss@staff.example", PASSWORD, address="203.0.113.2").status_code == 302


def test_one_account_is_tried_so_often_from_one_address(boss, rates):
    rates(account="2/min")
    for email in ("boss@staff.example", "BOSS@staff.example"):
        said(try_(email))
    response = try_("boss@staff.example", PASSWORD)
    assert "Too many attempts" in str(said(response))
    assert "_auth_user_id" not in response.client.session
    assert try_("other@staff.example").status_code == 200
    assert try_("boss@staff.example", PASSWORD, address="203.0.113.2").status_code == 302


def test_attempts_at_the_api_keep_nobody_out_of_the_admin(boss, rates, api):
    rates(account="2/min", account_total="2/hour")
    for _ in range(5):
        send(api, f"{AUTH}/login", {"email": "boss@staff.example", "password": "wrong"})
    assert try_("boss@staff.example", PASSWORD).status_code == 302


def test_a_browser_that_was_signed_in_before_gets_in_whatever_others_try(boss, rates):
    browser = Client()
    assert try_("boss@staff.example", PASSWORD, browser=browser).status_code == 302
    browser.post("/admin/logout/")
    rates(account_total="3/hour")
    for number in range(6):
        try_("boss@staff.example", address=f"203.0.113.{number}")
    assert "Too many attempts" in str(said(try_("boss@staff.example", PASSWORD, address="198.51.100.1")))
    assert try_("boss@staff.example", PASSWORD, address="198.51.100.2", browser=browser).status_code == 302


def test_throttling_comes_before_the_password_is_checked(boss, rates, settings):
    settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingHasher"]
    rates(account="1/min")
    try_()
    runs.clear()
    try_()
    assert runs == []


@pytest.mark.parametrize("form", [{}, {"username": "boss@staff.example"}, {"password": PASSWORD}, {"username": "\x00"}])
def test_half_a_form_signs_nobody_in(boss, form):
    assert Client().post(LOGIN, form).status_code == 200


def test_a_token_of_the_api_does_not_open_it(boss, api):
    token = send(api, f"{AUTH}/login", {"email": boss.email, "password": PASSWORD}).json()["accessToken"]
    for browser in (Client(), Client(headers=bearer(token))):
        assert browser.get("/admin/", headers=bearer(token)).status_code == 302
        browser.post(act("suspend", sign_up().user), WHY, headers=bearer(token))
    assert not User.objects.filter(is_active=False).exists()


def test_a_session_of_the_admin_does_not_open_the_api(desk, api):
    assert desk.get(f"{AUTH}/me").status_code == 401


def test_the_form_needs_its_csrf_token(boss):
    stranger = Client(enforce_csrf_checks=True)
    assert try_(word=PASSWORD, browser=stranger).status_code == 403


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(boss, address):
    form = {"username": boss.email, "password": PASSWORD, "next": address}
    assert Client().post(LOGIN, form)["Location"] == "/admin/"


def test_a_new_password_signs_out_everywhere_else(boss, browser, api):
    here, elsewhere = browser(boss), browser(boss)
    sign_in = {"email": boss.email, "password": PASSWORD}
    send(api, f"{AUTH}/login", sign_in)
    words = {"old_password": PASSWORD, "new_password1": "staple paper clip 9", "new_password2": "staple paper clip 9"}
    assert here.post("/admin/password_change/", words).status_code == 302
    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302
    assert not RefreshToken.objects.filter(revoked_at=None).exists()


def test_the_page_says_whose_it_is(db):
    assert "THISTHAT" in text_of(Client().get(LOGIN))


COOKIES = """
import json
from django.conf import settings
names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE")
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def test_in_production_the_cookie_travels_by_tls_alone_and_no_script_reads_it():
    environment = {
        "DJANGO_SETTINGS_MODULE": "thisthat.settings",
        "DJANGO_READ_DOT_ENV": "false",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "only-to-look-at-the-settings-of-production-3f9c1b7e",
        "JWT_ACCESS_SECRET": "only-to-look-at-the-settings-of-production-8d2a6e40",
        "STOCK_SIGNING_KEYS": "check:only-to-look-at-the-settings-of-production-5c11",
        "ALLOWED_HOSTS": "api.example.com",
        "FRONTEND_URL": "https://www.example.com",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "no-reply@example.com",
    }
    done = subprocess.run([sys.executable, "-c", COOKIES], env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout) == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
    }
